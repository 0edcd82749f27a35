"""Three live blogs to look at: two under way, one that has ended."""

from .models import Liveblog, Post

# {(name, slug, live now): [(text, published, pinned, likes), …]}, oldest first
BLOGS = {
    ("The final", "final", True): [
        ("Good evening from the stadium. Kick-off in ten minutes, and it has begun to rain.", True, False, 3),
        (
            "How to follow this evening: posts appear by themselves, the newest on top.\n\n"
            "Like what you like. Everybody sees the number change.",
            True,
            True,
            12,
        ),
        ("We are under way. The home side in white, playing from left to right.", True, False, 5),
        ("12' A long ball over the top, and the keeper is out just in time.", True, False, 2),
        ("27' Off the post! Nobody had seen that shot coming.", True, False, 9),
        ("31' Waiting for the referee: do not publish before it is confirmed.", False, False, 0),
    ],
    ("Launch day", "launch", True): [
        ("The tank is filled, the weather holds. Launch window opens at noon.", True, False, 1),
        ("T minus 20 minutes. All stations report ready.", True, False, 4),
        ("Draft for the press: wording of the delay, in case there is one.", False, False, 0),
    ],
    ("Election night", "election", False): [
        ("All districts are counted. Thank you for staying up with us.", True, False, 7),
    ],
}


def seed():
    for (name, slug, live), posts in BLOGS.items():
        liveblog, added = Liveblog.objects.get_or_create(slug=slug, defaults={"name": name, "live": live})
        if added:
            for body, published, pinned, likes in posts:  # one by one: each gets its own time
                Post.objects.create(liveblog=liveblog, body=body, published=published, pinned=pinned, likes=likes)
