// node-redis against a cluster: node node_redis.js PORT KEY-PREFIX PROTOCOL
'use strict';
const assert = require('node:assert/strict');
const { createCluster } = require('redis');
const { port, keys, message, failover, run } = require('./common');

const RESP = Number(process.argv[4]);

async function connect(options = {}) {
  const cluster = createCluster({ RESP, rootNodes: [{ url: `redis://127.0.0.1:${port}` }], ...options });
  cluster.on('error', () => {});
  await cluster.connect();
  return cluster;
}

async function commands(cluster, prefix) {
  for (let tag = 0; tag < 50; tag += 1) {
    const [a, b] = [`{${prefix}${tag}}a`, `{${prefix}${tag}}b`];
    assert.equal(await cluster.mSet([[a, '1'], [b, '2']]), 'OK');
    assert.deepEqual(await cluster.mGet([a, b, `${a}none`]), ['1', '2', null]);
    assert.deepEqual(await cluster.multi().incr(a).append(b, '0').exec(), [2, 2]);
    assert.deepEqual(await cluster.multi().get(a).get(b).del([a, b]).execAsPipeline(), ['2', '20', 2]);
  }
  const tag = `{${prefix}}`;
  assert.equal(await cluster.hSet(`${tag}h`, { name: 'redan', size: '6' }), 2);
  assert.deepEqual({ ...await cluster.hGetAll(`${tag}h`) }, { name: 'redan', size: '6' });
  assert.equal(Number(await cluster.incrByFloat(`${tag}f`, 1.5)), 1.5);
  assert.equal(await cluster.set(`${tag}s`, 'x', { PX: 60_000, NX: true }), 'OK');
  assert.equal(await cluster.set(`${tag}s`, 'y', { NX: true }), null);
  assert(await cluster.pTTL(`${tag}s`) > 0);
  const { cursor, entries } = await cluster.hScan(`${tag}h`, '0');
  assert.equal(Number(cursor), 0);
  assert.deepEqual(entries.map((entry) => ({ ...entry })), [{ field: 'name', value: 'redan' }, { field: 'size', value: '6' }]);
  await assert.rejects(cluster.hGet(`${tag}s`, 'x'), /WRONGTYPE/);
  // This client splits these over the slots by itself.
  assert.deepEqual(await cluster.mGet([`${prefix}a`, `${prefix}b`, `${tag}s`]), [null, null, 'x']);
}

async function everyNode(cluster) {
  assert.equal(cluster.masters.length, 3);
  const seen = new Set();
  for (const master of cluster.masters) {
    const client = await cluster.nodeClient(master);
    for await (const batch of client.scanIterator({ MATCH: `${keys[0].split(':')[0]}:*`, COUNT: 200 })) {
      batch.forEach((key) => seen.add(key));
    }
  }
  assert.equal(keys.filter((key) => seen.has(key)).length, keys.length);
  const reader = await connect({ useReplicas: true });
  assert.equal(reader.replicas.length, 3);
  // Asynchronous replication: a replica may be a moment behind.
  for (let round = 0; (await reader.get(keys[0])) !== `value of ${keys[0]}`; round += 1) assert(round < 500);
  reader.destroy();
}

async function pubsub(cluster, prefix) {
  const plain = await message(
    (on) => cluster.subscribe(`${prefix}news`, on), () => cluster.publish(`${prefix}news`, 'hello'));
  assert.deepEqual(plain, ['hello', `${prefix}news`]);
  const pattern = await message(
    (on) => cluster.pSubscribe(`${prefix}p*`, on), () => cluster.publish(`${prefix}pattern`, 'hi'));
  assert.deepEqual(pattern, ['hi', `${prefix}pattern`]);
  for (const shard of ['a', 'b', 'c']) {
    const received = await message(
      (on) => cluster.sSubscribe(`${prefix}${shard}`, on), () => cluster.sPublish(`${prefix}${shard}`, shard));
    assert.deepEqual(received, [shard, `${prefix}${shard}`]);
    await cluster.sUnsubscribe(`${prefix}${shard}`);
  }
  await cluster.unsubscribe(`${prefix}news`);
  await cluster.pUnsubscribe(`${prefix}p*`);
}

run(async () => {
  const cluster = await connect();
  await Promise.all(keys.map((key) => cluster.set(key, `value of ${key}`)));
  const values = await Promise.all(keys.map((key) => cluster.get(key)));
  assert.deepEqual(values, keys.map((key) => `value of ${key}`));
  const prefix = `${keys[0].split(':')[0]}-`;
  await commands(cluster, prefix);
  await everyNode(cluster);
  await pubsub(cluster, prefix);
  await failover((key, value) => cluster.set(key, value), (key) => cluster.get(key));
  cluster.destroy();
});
