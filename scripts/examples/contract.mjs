// Holds the AsyncAPI document of the topics against AsyncAPI's own parser and, with the argument --records, against what
// is in the topics of a real broker: each record must be one of the messages that its channel lists, by key, headers and
// value, and each schema must be registered under its subject. KAFKA_BROKERS and REGISTRY_URL say where.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { Parser } from '@asyncapi/parser';
import { AvroSchemaParser } from '@asyncapi/avro-schema-parser';
import Ajv from 'ajv';
import formats from 'ajv-formats';
import avro from 'avsc';

const path = process.argv[2];
const text = readFileSync(path, 'utf8');
const faults = [];

const parser = new Parser();
parser.registerSchemaParser(AvroSchemaParser()); // without it the schemas are not looked at
const { document, diagnostics } = await parser.parse(text);
for (const d of diagnostics) {
  const newer = d.code === 'asyncapi-latest-version';
  if (!newer) faults.push(`${path}: ${d.path.join('.')}: ${d.message}`);
}
if (!document) throw new Error(faults.join('\n'));
console.log(`${path}: AsyncAPI ${document.version()}, ${document.allChannels().length} channels, ${document.allMessages().length} messages`);

const doc = JSON.parse(text);
if (process.argv.includes('--records')) {
  for (const channel of Object.values(doc.channels)) await checkTopic(channel);
}
if (faults.length > 0) {
  console.error(faults.slice(0, 20).join('\n'));
  process.exit(1);
}

async function checkTopic(channel) {
  const ajv = formats(new Ajv({ strict: false }));
  const messages = [];
  for (const name of Object.keys(channel.messages)) {
    const m = doc.components.messages[name];
    const schema = m.payload.$ref && doc.components.schemas[m.payload.$ref.split('/').pop()].schema;
    if (schema) await checkSubject(m['x-subject'], schema);
    messages.push({
      name, read: schema && avro.Type.forSchema(schema), count: 0,
      key: ajv.compile({ ...m.bindings.kafka.key, description: undefined }), headers: m.headers && ajv.compile(m.headers),
      types: m.headers?.properties.ce_type.anyOf?.[0].enum,
    });
  }
  for (const r of records(channel.address)) {
    const why = [];
    const fits = messages.find((m) => {
      const fault = misfit(m, r);
      if (fault) why.push(`${m.name}: ${fault}`);
      return !fault;
    });
    if (fits) fits.count++;
    else faults.push(`${channel.address}[${r.partition}] at offset ${r.offset} is none of its messages: ${why.join('; ')}`);
  }
  for (const m of messages) {
    if (m.count === 0) faults.push(`${channel.address}: the scenario gave no record of the message ${m.name}`);
  }
  console.log(`${channel.address}: ${messages.map((m) => `${m.count} ${m.name}`).join(', ')}`);
}

// misfit says why a record is not that message.
function misfit(m, r) {
  if (!m.key(r.key)) return 'the key is not as described';
  if (m.headers ? !m.headers(r.headers) : Object.keys(r.headers).length > 0) {
    return m.headers ? m.headers.errors.map((e) => `${e.instancePath} ${e.message}`).join(', ') : 'it has headers';
  }
  if (m.types && !m.types.includes(r.headers.ce_type)) return `type ${r.headers.ce_type} is not listed`;
  if (!m.read) return r.value === null ? '' : 'the value is not null';
  if (r.value === null || r.value[0] !== 0) return 'the value is not in the Confluent wire format';
  try {
    m.read.fromBuffer(r.value.subarray(5));
  } catch (e) {
    return `the value is no ${m.read.name}: ${e.message}`;
  }
  return '';
}

async function checkSubject(subject, schema) {
  const answer = await fetch(`${process.env.REGISTRY_URL}/subjects/${subject}/versions/latest`);
  if (!answer.ok) {
    faults.push(`${subject}: the registry answers ${answer.status}`);
    return;
  }
  if (!isDeepStrictEqual(JSON.parse((await answer.json()).schema), schema)) faults.push(`${subject}: the registry has another schema`);
}

// records reads all committed records of a topic: values as they are, headers as JSON.
function records(topic) {
  const kcat = (...args) => execFileSync('kcat', ['-C', '-q', '-e', '-b', process.env.KAFKA_BROKERS, '-t', topic, '-o', 'beginning', ...args], { maxBuffer: 1 << 28 });
  const headers = new Map();
  for (const line of kcat('-J').toString().split('\n').filter(Boolean)) {
    const r = JSON.parse(line);
    const all = r.headers ?? [];
    headers.set(`${r.partition}/${r.offset}`, Object.fromEntries(all.flatMap((name, i) => (i % 2 ? [] : [[name, all[i + 1]]]))));
  }
  const raw = kcat('-f', '%p %o %K %S\n%k%s');
  const out = [];
  for (let at = 0; at < raw.length; ) {
    const end = raw.indexOf(10, at);
    const [partition, offset, keySize, size] = raw.subarray(at, end).toString().split(' ').map(Number);
    const value = end + 1 + Math.max(0, keySize);
    at = value + Math.max(0, size);
    out.push({
      partition, offset, headers: headers.get(`${partition}/${offset}`),
      key: keySize < 0 ? null : raw.subarray(end + 1, value).toString(), value: size < 0 ? null : raw.subarray(value, at),
    });
  }
  return out;
}
