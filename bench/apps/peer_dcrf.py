"""djangochannelsrestframework, as its documentation has it: a `model_observer` with a group a board."""

import django

django.setup()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from djangochannelsrestframework import mixins  # noqa: E402
from djangochannelsrestframework.decorators import action  # noqa: E402
from djangochannelsrestframework.generics import GenericAsyncAPIConsumer  # noqa: E402
from djangochannelsrestframework.observer import model_observer  # noqa: E402
from djangochannelsrestframework.permissions import AllowAny  # noqa: E402
from rest_framework.serializers import ModelSerializer  # noqa: E402

from board.models import Item, change_of  # noqa: E402
from changes import save, update  # noqa: E402
from control import controlled, count_queries  # noqa: E402

count_queries()


class ItemSerializer(ModelSerializer):
    class Meta:
        model = Item
        fields = ["id", "board", "name", "value"]


class Items(mixins.ListModelMixin, mixins.PatchModelMixin, GenericAsyncAPIConsumer):
    queryset = Item.objects.all()
    serializer_class = ItemSerializer
    permission_classes = (AllowAny,)

    def filter_queryset(self, queryset, board=None, **kwargs):
        return queryset if board is None else queryset.filter(board=board)

    @model_observer(Item)
    async def item_activity(self, message, observer=None, **kwargs):
        await self.send_json({"stream": "items", "payload": message})

    @item_activity.serializer
    def item_activity(self, instance, action, **kwargs):
        return change_of(instance)  # its ModelSerializer here would cost more

    @item_activity.groups_for_signal
    def item_activity(self, instance, **kwargs):
        yield f"board-{instance.board}"

    @item_activity.groups_for_consumer
    def item_activity(self, board, **kwargs):
        yield f"board-{board}"

    @action()
    async def subscribe(self, request_id, board, **kwargs):
        await self.item_activity.subscribe(board=board, request_id=request_id)
        return {}, 200


application = controlled(AuthMiddlewareStack(Items.as_asgi()), save, update)
