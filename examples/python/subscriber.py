"""Prints each callback UserEvent in one line: service id, sequence, final, disposition.

    KAFKA_BROKERS   bootstrap addresses, separated by commas
    REGISTRY_URL    schema registry, where /subjects lies below
    KAFKA_GROUP     consumer group: where it stands is where the next run goes on
    COUNT           stop after that many UserEvents; without it, go on for ever
"""

import os
import sys

from confluent_kafka import Consumer, KafkaException
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

TOPIC = "callback.userevents.v1"


def main() -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": os.environ["KAFKA_BROKERS"],
            "group.id": os.environ["KAFKA_GROUP"],
            "auto.offset.reset": "earliest",
            # Records of aborted transactions are left out, and each UserEvent comes once.
            "isolation.level": "read_committed",
            # Positions move once the work is done, not before.
            "enable.auto.commit": False,
        }
    )
    # Without a schema of its own it reads each record by the one that it was written with.
    decode = AvroDeserializer(SchemaRegistryClient({"url": os.environ["REGISTRY_URL"]}))
    left = int(os.environ.get("COUNT", -1))
    consumer.subscribe([TOPIC])
    try:
        while left != 0:
            record = consumer.poll(1.0)
            if record is None:
                continue
            if record.error():
                raise KafkaException(record.error())
            event = decode(record.value(), SerializationContext(TOPIC, MessageField.VALUE))
            show(event)
            left -= 1
            # After a crash the records since the last commit come again: drop those whose ce_id is known.
            consumer.commit(record, asynchronous=False)
    finally:
        consumer.close()


def show(event: dict) -> None:
    # A KVP that is not known is null; one that this program does not know is passed over.
    columns = (event["cb_service_id"], event["event_sequence"], event["cb_final_record"], event["cb_disposition"])
    print(*("-" if c is None else c for c in columns), sep="\t", flush=True)


if __name__ == "__main__":
    sys.exit(main())
