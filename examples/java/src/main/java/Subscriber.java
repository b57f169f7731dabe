import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.avro.generic.GenericRecord;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/**
 * Prints each callback UserEvent in one line: service id, sequence, final, disposition.
 *
 * <pre>
 * KAFKA_BROKERS   bootstrap addresses, separated by commas
 * APICURIO_URL    Apicurio Registry, its own API: http://host:8080/apis/registry/v3
 * KAFKA_GROUP     consumer group: where it stands is where the next run goes on
 * COUNT           stop after that many UserEvents; without it, go on for ever
 * </pre>
 */
public class Subscriber {
  private static final String TOPIC = "callback.userevents.v1";

  public static void main(String[] args) throws IOException {
    Map<String, String> env = System.getenv();
    Properties settings = new Properties();
    try (Reader file = Files.newBufferedReader(Path.of(args[0]))) {
      settings.load(file);
    }
    settings.put("bootstrap.servers", env.get("KAFKA_BROKERS"));
    settings.put("group.id", env.get("KAFKA_GROUP"));
    settings.put("apicurio.registry.url", env.get("APICURIO_URL"));
    long left = Long.parseLong(env.getOrDefault("COUNT", "-1"));

    try (KafkaConsumer<String, GenericRecord> consumer = new KafkaConsumer<>(settings)) {
      consumer.subscribe(List.of(TOPIC));
      while (left != 0) {
        for (ConsumerRecord<String, GenericRecord> record : consumer.poll(Duration.ofSeconds(1))) {
          show(record.value());
          // After a crash the records since the last commit come again: drop those whose ce_id is known.
          consumer.commitSync(Map.of(
              new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1)));
          if (--left == 0) {
            break;
          }
        }
      }
    }
  }

  private static void show(GenericRecord event) {
    System.out.println(String.join("\t", text(event, "cb_service_id"), text(event, "event_sequence"),
        text(event, "cb_final_record"), text(event, "cb_disposition")));
  }

  /** A KVP that is not known is null. */
  private static String text(GenericRecord event, String field) {
    Object value = event.get(field);
    return value == null ? "-" : value.toString();
  }
}
