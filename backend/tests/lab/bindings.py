from channels_databinding import WebsocketBinding, WebsocketDemultiplexer

from .models import Address, Article, Blog, Essay, Label, Nickname, Odd, Person, Review, Seat, Tag, Team, Thing, Token


class LabBinding(WebsocketBinding):
    """Everybody sees and writes everything."""

    model = None
    fields = ["__all__"]

    def group_names(cls, instance):
        return ["lab"]

    def has_permission(self, user, action, pk):
        return True


class ThingBinding(LabBinding):
    model = Thing
    stream = "things"


class BlogBinding(LabBinding):
    model = Blog
    stream = "blogs"


class PersonBinding(LabBinding):
    model = Person
    stream = "people"
    fields = ["name"]


class ArticleBinding(LabBinding):
    """In the group of its blog, by the blog's own column."""

    model = Article
    stream = "articles"

    def group_names(cls, article):
        return [f"blog-{article.blog.slug}"]

    def subscription_groups(self, user, blog):
        return [f"blog-{blog}"]


class EssayBinding(LabBinding):
    model = Essay
    stream = "essays"


class ReviewBinding(LabBinding):
    model = Review
    stream = "reviews"


class SeatBinding(LabBinding):
    model = Seat
    stream = "seats"


class AddressBinding(LabBinding):
    model = Address
    stream = "addresses"


class LabelBinding(LabBinding):
    model = Label
    stream = "labels"
    fields = ["code", "text"]


class NicknameBinding(LabBinding):
    model = Nickname
    stream = "nicknames"


class TokenBinding(LabBinding):
    model = Token
    stream = "tokens"


class TagBinding(LabBinding):
    model = Tag
    stream = "tags"


class TeamBinding(LabBinding):
    model = Team
    stream = "teams"


class OddBinding(LabBinding):
    model = Odd
    stream = "odds"


class Lab(WebsocketDemultiplexer):
    consumers = {
        binding.stream: binding.consumer
        for binding in (
            ThingBinding,
            BlogBinding,
            PersonBinding,
            ArticleBinding,
            EssayBinding,
            ReviewBinding,
            SeatBinding,
            AddressBinding,
            LabelBinding,
            NicknameBinding,
            TokenBinding,
            TagBinding,
            TeamBinding,
            OddBinding,
        )
    }
    groups = ["lab"]
