// Pools of two workers in Node: a plain one of worker threads, a plain one of processes (child_process.fork), and
// piscina, the usual package for it, where Node finds that (NODE_PATH). The plain ones know nothing of queues or
// faults: each call is posted to the next worker at once. What a worker runs is in node_pool_worker.js.
'use strict';

const path = require('path');
const { fork } = require('child_process');
const { Worker } = require('worker_threads');
const { serve, now, expect } = require('./peer_server.js');

const workerFile = path.join(__dirname, 'node_pool_worker.js');

class PlainPool {
  constructor(start) {
    this.start = start; // gives something with post(), and onMessage() and onExit() to be set
    this.workers = [this.begin(), this.begin()];
    this.turn = 0;
  }
  begin() {
    const worker = this.start();
    const waiting = []; // answers come in the order of the calls
    worker.onMessage = (result) => waiting.shift()[0](result);
    worker.onExit = () => waiting.forEach(([, reject]) => reject(new Error('the worker has died')));
    return { worker, waiting };
  }
  run(name, argument, at = (this.turn ^= 1)) {
    const { worker, waiting } = this.workers[at];
    return new Promise((resolve, reject) => {
      waiting.push([resolve, reject]);
      worker.post([name, argument]);
    });
  }
  async respawn() {
    await this.run('die', null, 0).catch(() => {});
    this.workers[0] = this.begin();
    await this.run('nothing', null, 0);
  }
}

const thread = () => {
  const worker = new Worker(workerFile, { workerData: 'plain' });
  const made = { post: (call) => worker.postMessage(call) };
  worker.on('message', (result) => made.onMessage(result));
  worker.on('exit', () => made.onExit());
  return made;
};

const child = () => {
  const worker = fork(workerFile, [], { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const made = { post: (call) => worker.send(call) };
  worker.on('message', (result) => made.onMessage(result));
  worker.on('exit', () => made.onExit());
  return made;
};

let Piscina = null;
try {
  Piscina = require('piscina');
} catch (error) {
  // not installed
}

class PiscinaPool {
  constructor() {
    this.pool = new Piscina({ filename: workerFile, minThreads: 2, maxThreads: 2 });
  }
  run(name, argument) {
    return this.pool.run(argument, { name });
  }
}

const timed = async (work) => {
  const begin = now();
  await work();
  return [now() - begin, 0n];
};

const questionsOf = (pool) => ({
  call: (count) =>
    timed(async () => {
      for (let n = 0; n < count; ++n) await pool().run('nothing', null);
    }),
  bulk: (count) => timed(() => Promise.all(Array.from({ length: count }, () => pool().run('nothing', null)))),
  map: async (count) => {
    const numbers = Array.from({ length: count }, () => 1);
    return timed(async () => {
      const size = Math.max(Math.ceil(count / 8), 1); // as Python cuts it
      const chunks = [];
      for (let at = 0; at < count; at += size) chunks.push(pool().run('increment', numbers.slice(at, at + size)));
      const all = (await Promise.all(chunks)).flat();
      expect(all.length === count && all[count - 1] === 2);
    });
  },
  sleep: (count, width) =>
    timed(() => Promise.all(Array.from({ length: count }, () => pool().run('sleep', width)))),
  argument: async (count, width) => {
    const data = Buffer.alloc(width, 'x');
    return timed(async () => {
      for (let n = 0; n < count; ++n) expect((await pool().run('length', data)) === width);
    });
  },
});

const questions = {};
const offer = (prefix, make) => {
  let made = null;
  const pool = () => (made ??= make());
  for (const [name, question] of Object.entries(questionsOf(pool)))
    questions[`${prefix}_${name}`] = async (_, count, width) => {
      await pool().run('nothing', null);
      await pool().run('nothing', null); // both are up
      return question(count, width);
    };
  return pool;
};

for (const [prefix, start] of [['threads', thread], ['processes', child]]) {
  const pool = offer(prefix, () => new PlainPool(start));
  questions[`${prefix}_respawn`] = (_, count) =>
    timed(async () => {
      for (let n = 0; n < count; ++n) await pool().respawn();
    });
}
if (Piscina) offer('piscina', () => new PiscinaPool());

serve(questions);
