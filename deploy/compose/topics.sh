#!/bin/sh
# Made by deploy/generate from pkg/topic. Creates the topics that are absent, as `ringback topics apply` would.
set -eu
create() {
  name=$1; shift
  "${KAFKA_TOPICS:-/opt/kafka/bin/kafka-topics.sh}" --bootstrap-server "$KAFKA_BROKERS" --create --if-not-exists --topic "$name" --partitions "$PARTITIONS" --replication-factor "$REPLICATION" --config min.insync.replicas="${MIN_INSYNC:-1}" "$@"
}
create callback.lifecycle.v1 --config cleanup.policy=delete --config message.timestamp.type=CreateTime --config retention.bytes=-1 --config retention.ms=37584000000
create callback.sessions.v1 --config cleanup.policy=compact --config message.timestamp.type=CreateTime --config min.cleanable.dirty.ratio=0.2 --config retention.bytes=-1 --config retention.ms=-1 --config segment.bytes=67108864 --config segment.ms=3600000
create callback.userevents.v1 --config cleanup.policy=delete --config message.timestamp.type=CreateTime --config retention.bytes=-1 --config retention.ms=37584000000
create callback.attached-data.v1 --config cleanup.policy=delete --config message.timestamp.type=CreateTime --config retention.bytes=-1 --config retention.ms=37584000000
create callback.deadletters.v1 --config cleanup.policy=delete --config max.message.bytes=2097152 --config message.timestamp.type=CreateTime --config retention.bytes=-1 --config retention.ms=37584000000
