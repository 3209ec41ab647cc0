"""The registry of topics agrees with the models, the issuer's types and the examples; what is planted shows."""

from __future__ import annotations

import subprocess
import sys
from itertools import chain

import pytest

from schemas import topics
from schemas.events.reading import READERS
from schemas.generate import EXAMPLES, MODELS, main, rendered
from schemas.topics import ALL, INCOMING, OUTGOING, Direction, Message
from services.adapters.kafka import topic_specs
from services.issuer.event_types import TYPES
from services.runtime.settings import Settings
from tests.house.repository import ROOT
from tests.stand.planting import PLANTED, plant, planted

UNKNOWN = Message(type="play.began", schema="play.began")


def types_of(direction: Direction) -> list[str]:
    """What the registry says is on the topics of a direction."""
    return [name for topic in topics.ALL if topic.direction is direction for name in topic.types]


def test_topic_stands_once_and_goes_one_way() -> None:
    """No name and no type twice; incoming, outgoing and internal topics are all of them."""
    names = [topic.name for topic in ALL]
    assert len(set(names)) == len(names)
    every_type = list(chain.from_iterable(topic.types for topic in ALL))
    assert len(set(every_type)) == len(every_type)
    assert sorted((*INCOMING, *OUTGOING, *topics.names(Direction.INTERNAL))) == sorted(names)


def test_topic_is_described() -> None:
    """Who writes it, by which key, and in a line what for; events have a type unless the original record is kept."""
    for topic in ALL:
        assert topic.about and topic.owner and topic.key and topic.config, topic.name
        assert bool(topic.messages) is (topic.direction is not Direction.INTERNAL), topic.name


def test_issuer_reads_every_incoming_type() -> None:
    """And none that no topic is said to carry."""
    assert types_of(Direction.INCOMING) == list(TYPES) == list(READERS)


def test_issuer_without_a_type_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A type that comes in and that the issuer cannot read fails the test above."""
    plant(monkeypatch, planted(Direction.INCOMING, UNKNOWN))
    with pytest.raises(AssertionError, match=UNKNOWN.schema):
        test_issuer_reads_every_incoming_type()


def test_topics_carry_every_model() -> None:
    """Each schema but the envelope's is on a topic, and has an example that `test_examples` holds against it."""
    on_topics = {message.schema for topic in topics.ALL for message in topic.messages}
    assert on_topics | {"cloudevents"} == set(MODELS)
    assert on_topics <= {path.name.rsplit(".", 2)[0] for path in EXAMPLES.iterdir()}


@pytest.mark.parametrize("direction", [Direction.INCOMING, Direction.OUTGOING])
def test_message_without_model_is_refused(
    direction: Direction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A topic whose records nobody described stops the generator, and with it the check of every commit."""
    assert rendered()
    plant(monkeypatch, planted(direction, UNKNOWN))
    with pytest.raises(LookupError, match=f"{PLANTED}: no model of schema 'play.began'"):
        main(["--check"])
    with pytest.raises(AssertionError, match=UNKNOWN.schema):
        test_topics_carry_every_model()


def test_planted_topic_would_be_created(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the prefix, with its own configuration and number of partitions, after the others."""
    settings = Settings(topic_prefix="x-", topic_partitions=7)
    before = topic_specs(settings)
    topic = planted(Direction.OUTGOING)
    plant(monkeypatch, topic)
    *others, last = topic_specs(settings)
    assert others == before
    assert (last.name, last.partitions, last.config) == (f"x-{PLANTED}", 3, topic.config)


def test_topics_cost_no_models() -> None:
    """Whoever asks for a name does not pay for pydantic."""
    program = "import sys, schemas.topics; sys.exit('pydantic' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
