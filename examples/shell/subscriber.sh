#!/usr/bin/env bash
# Prints each callback UserEvent in one line: service id, sequence, final, disposition. From the beginning of the topic
# to its present end, or until COUNT of them were read.
#
#   KAFKA_BROKERS   bootstrap addresses, separated by commas
#   REGISTRY_URL    schema registry, where /subjects lies below
#   AVRO_TOOLS      avro-tools-1.12.0.jar, from Maven Central (org.apache.avro:avro-tools)
#   COUNT           stop after that many UserEvents
#
# A kcat that was built with Avro needs none of this: -s value=avro -r "$REGISTRY_URL". Debian's was not, so it passes the
# values on as they are, and Avro's own tool decodes them. Needs kcat, curl, jq and Java.
set -euo pipefail
topic=callback.userevents.v1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The size of each value in a line of its own, then the value. isolation.level leaves out the records of aborted
# transactions, so that each UserEvent comes once.
kcat -C -q -b "$KAFKA_BROKERS" -t "$topic" -o beginning -e ${COUNT:+-c "$COUNT"} \
  -X isolation.level=read_committed -f '%S\n%s' |
{
  run=10000 last=
  while IFS= read -r size; do
    # A zero byte, the id of the schema in four bytes, big-endian, and the record. A record of another schema begins
    # another file, so that all stay in order.
    head -c 1 >/dev/null
    id=$(head -c 4 | od -An -tu4 --endian=big | tr -d ' ')
    [[ $id == "$last" ]] || { run=$((run + 1)); last=$id; }
    head -c $((size - 5)) >>"$work/$run.$id"
  done
}

shopt -s nullglob
for records in "$work"/*; do
  id=${records##*.}
  schema=$work/.schema-$id # an id names one schema for good
  [[ -f $schema ]] || curl -sfS "$REGISTRY_URL/schemas/ids/$id" | jq -r .schema >"$schema"
  java -jar "$AVRO_TOOLS" fragtojson --schema-file "$schema" "$records" |
    # A KVP that is not known is null; others come as an object of one member, their type.
    jq -r 'def kvp: if type == "object" then .[] else . end;
      [.cb_service_id, .event_sequence, .cb_final_record, .cb_disposition] | map(kvp // "-") | @tsv'
done
