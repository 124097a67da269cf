// What both Node.js clients share: the talk with test_clients.py and the work during a failover.
'use strict';
const readline = require('node:readline');
const { setTimeout: sleep } = require('node:timers/promises');

const port = Number(process.argv[2]);
const keys = Array.from({ length: 1000 }, (_, index) => `${process.argv[3]}:${index}`);

const input = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

// Says that all is ready for the kill; comes back when it is done.
async function killed() {
  console.log('ready');
  await input.next();
}

// Waits for the first message that `listen(handler)` hands over, publishing until it comes: a
// subscription is confirmed on one node before the others have heard of it.
async function message(listen, publish) {
  let arrived = null;
  await listen((...what) => { arrived = arrived || what; });
  for (let round = 0; round < 500 && !arrived; round += 1) {
    await publish();
    await sleep(20);
  }
  if (!arrived) throw new Error('no message arrived');
  return arrived;
}

// Writes all the time while a primary dies. The time until every slot's keys take writes again.
async function failover(set, get) {
  let stopping = false, errors = 0;
  const load = (async () => {
    for (let index = 0; !stopping; index += 1) {
      const batch = Array.from({ length: 20 }, (_, lane) => set(`load:${lane}:${index}`, 'x').catch(() => { errors += 1; }));
      await Promise.all(batch);
      await sleep(1);
    }
  })();
  await killed();
  const started = Date.now();
  await Promise.all(keys.map(async (key) => {
    for (;;) {
      try { await set(`after:${key}`, key); return; } catch { await sleep(50); }
      if (Date.now() - started > 30_000) throw new Error(`${key} takes no writes`);
    }
  }));
  const seconds = (Date.now() - started) / 1000;
  stopping = true;
  await load;
  const found = await Promise.all(keys.map(async (key) => (await get(key)) === `value of ${key}`));
  console.log(JSON.stringify({ seconds, errors, lost: found.filter((kept) => !kept).length }));
}

function run(main) {
  main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
}

module.exports = { port, keys, message, failover, run };
