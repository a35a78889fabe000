// What the workers of node_pool_peer.js run, each in its own way of being told.
'use strict';

const { parentPort, workerData } = require('worker_threads');

const calls = {
  nothing: () => null,
  increment: (numbers) => numbers.map((x) => x + 1),
  sleep: (milliseconds) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
    return null;
  },
  length: (data) => data.length,
  die: () => process.exit(1),
};

module.exports = calls; // piscina calls them by name

if (workerData === 'plain')
  parentPort.on('message', ([name, argument]) => parentPort.postMessage(calls[name](argument)));
else if (process.send) process.on('message', ([name, argument]) => process.send(calls[name](argument)));
