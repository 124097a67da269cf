// ioredis against a cluster: node ioredis.js PORT KEY-PREFIX PROTOCOL
'use strict';
const assert = require('node:assert/strict');
const { Cluster } = require('ioredis');
const { port, keys, message, failover, run } = require('./common');

const protocol = Number(process.argv[4]);

function connect(options = {}) {
  const cluster = new Cluster([{ host: '127.0.0.1', port }], { redisOptions: { protocol }, ...options });
  cluster.on('error', () => {});
  return cluster;
}

async function commands(cluster, prefix) {
  for (let tag = 0; tag < 50; tag += 1) {
    const [a, b] = [`{${prefix}${tag}}a`, `{${prefix}${tag}}b`];
    assert.equal(await cluster.mset(a, 1, b, 2), 'OK');
    assert.deepEqual(await cluster.mget(a, b, `${a}none`), ['1', '2', null]);
    assert.deepEqual(await cluster.multi().incr(a).append(b, '0').exec(), [[null, 2], [null, 2]]);
    assert.deepEqual(await cluster.pipeline().get(a).get(b).del(a, b).exec(), [[null, '2'], [null, '20'], [null, 2]]);
  }
  await assert.rejects(cluster.mget(`${prefix}a`, `${prefix}b`), /CROSSSLOT/);
  const tag = `{${prefix}}`;
  await assert.rejects(cluster.multi().set(`${tag}s`, 'x').call('nosuchcommand').exec(), /EXECABORT/);
  assert.equal(await cluster.hset(`${tag}h`, { name: 'redan', size: 6 }), 2);
  assert.deepEqual(await cluster.hgetall(`${tag}h`), { name: 'redan', size: '6' });
  assert.equal(await cluster.incrbyfloat(`${tag}f`, 1.5), '1.5');
  assert.equal(await cluster.set(`${tag}s`, 'x', 'PX', 60_000, 'NX'), 'OK');
  assert.equal(await cluster.set(`${tag}s`, 'y', 'NX'), null);
  assert(await cluster.pttl(`${tag}s`) > 0);
  assert.deepEqual(await cluster.getBuffer(`${tag}s`), Buffer.from('x'));
  assert.deepEqual(await cluster.hscan(`${tag}h`, 0), ['0', ['name', 'redan', 'size', '6']]);
  await assert.rejects(cluster.hget(`${tag}s`, 'x'), /WRONGTYPE/);
}

async function everyNode(cluster) {
  assert.equal(cluster.nodes('master').length, 3);
  assert.equal(cluster.nodes('slave').length, 3);
  const seen = new Set();
  for (const node of cluster.nodes('master')) {
    for await (const batch of node.scanStream({ match: `${keys[0].split(':')[0]}:*`, count: 200 })) {
      batch.forEach((key) => seen.add(key));
    }
  }
  assert.equal(keys.filter((key) => seen.has(key)).length, keys.length);
  const reader = connect({ scaleReads: 'slave' });
  // Asynchronous replication: a replica may be a moment behind.
  for (let round = 0; (await reader.get(keys[0])) !== `value of ${keys[0]}`; round += 1) assert(round < 500);
  reader.disconnect();
}

async function pubsub(cluster, prefix) {
  const listener = connect();
  const plain = await message(
    async (on) => { listener.on('message', on); await listener.subscribe(`${prefix}news`); },
    () => cluster.publish(`${prefix}news`, 'hello'));
  assert.deepEqual(plain, [`${prefix}news`, 'hello']);
  const pattern = await message(
    async (on) => { listener.on('pmessage', on); await listener.psubscribe(`${prefix}p*`); },
    () => cluster.publish(`${prefix}pattern`, 'hi'));
  assert.deepEqual(pattern, [`${prefix}p*`, `${prefix}pattern`, 'hi']);
  listener.disconnect();
  for (const shard of ['a', 'b', 'c']) {
    const sharded = connect({ shardedSubscribers: true });
    const received = await message(
      async (on) => { sharded.on('smessage', on); await sharded.ssubscribe(`${prefix}${shard}`); },
      () => cluster.spublish(`${prefix}${shard}`, shard));
    assert.deepEqual(received.slice(0, 2).map(String), [`${prefix}${shard}`, shard]);
    sharded.disconnect();
  }
}

run(async () => {
  const cluster = connect();
  await Promise.all(keys.map((key) => cluster.set(key, `value of ${key}`)));
  const values = await Promise.all(keys.map((key) => cluster.get(key)));
  assert.deepEqual(values, keys.map((key) => `value of ${key}`));
  const prefix = `${keys[0].split(':')[0]}-`;
  await commands(cluster, prefix);
  await everyNode(cluster);
  await pubsub(cluster, prefix);
  await failover((key, value) => cluster.set(key, value), (key) => cluster.get(key));
  cluster.disconnect();
});
