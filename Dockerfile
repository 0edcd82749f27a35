# The project as one image: `docker compose up --build` runs it, docker-compose.yml says with what.

# ---- what the browser loads

FROM node:22-slim AS browser
WORKDIR /project
COPY package.json package-lock.json ./
COPY js-client/package.json js-client/
COPY frontend/package.json frontend/
RUN npm ci --no-audit --no-fund
COPY js-client js-client
COPY frontend frontend
RUN npm run build --workspace frontend

# ---- what Python needs, exactly as the lock says

FROM python:3.13-slim AS python
COPY requirements.txt ./
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.txt

# ---- the image

FROM python:3.13-slim
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

# An SQLite database is in /data, and that is all it may write to. With PostgreSQL nothing is.
RUN useradd --system --no-create-home project && install --directory --owner=project /data
VOLUME /data
ENV DATABASE_URL=sqlite:////data/db.sqlite3

WORKDIR /project
COPY --from=python /venv /venv
COPY bin/serve bin/serve
COPY backend backend
COPY frontend frontend
COPY --from=browser /project/frontend/dist frontend/dist

WORKDIR /project/backend
RUN SECRET_KEY=unused python manage.py collectstatic --noinput

USER project
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz')"]
CMD ["../bin/serve", "--host", "0.0.0.0", "--port", "8000"]
