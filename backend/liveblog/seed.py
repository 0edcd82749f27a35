"""Two live blogs to look at."""

from .models import Liveblog, Post

BLOGS = {
    ("The final", "final"): [
        ("Good evening from the stadium. Kick-off in ten minutes, and it has begun to rain.", True),
        ("We are under way. The home side in white, playing from left to right.", True),
        ("12' A long ball over the top, and the keeper is out just in time.", True),
        ("27' Off the post! Nobody had seen that shot coming.", True),
        ("31' Waiting for the referee: do not publish before it is confirmed.", False),
    ],
    ("Launch day", "launch"): [
        ("The tank is filled, the weather holds. Launch window opens at noon.", True),
        ("T minus 20 minutes. All stations report ready.", True),
        ("Draft for the press: wording of the delay, in case there is one.", False),
    ],
}


def seed():
    for (name, slug), posts in BLOGS.items():
        liveblog, added = Liveblog.objects.get_or_create(slug=slug, defaults={"name": name})
        if added:
            for body, published in posts:  # one by one: each gets its own time
                Post.objects.create(liveblog=liveblog, body=body, published=published)
