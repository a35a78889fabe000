// Node's child_process module.
'use strict';

const fs = require('fs');
const readline = require('readline');
const { spawn } = require('child_process');
const { serve, now, expect } = require('./peer_server.js');

const exited = (child) =>
  new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => resolve(code));
  });
// All streams at their ends, too.
const closed = (child) =>
  new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code));
  });

async function inLanes(one, program, count, width) {
  let left = count;
  const lane = async () => {
    while (left > 0) {
      --left;
      await one(program);
    }
  };
  const begin = now();
  await Promise.all(Array.from({ length: width }, lane));
  return [now() - begin, 0n];
}

const started = async (program) => {
  expect((await exited(spawn(program, [], { stdio: 'inherit' }))) === 0);
};

const captured = async (program) => {
  const child = spawn(program, [], { stdio: ['inherit', 'pipe', 'inherit'] });
  const parts = [];
  child.stdout.on('data', (part) => parts.push(part));
  expect((await closed(child)) === 0);
  Buffer.concat(parts);
};

const questions = {
  start: (program, count, width) => inLanes(started, program, count, width),
  capture: (program, count, width) => inLanes(captured, program, count, width),

  async pipe(program, count) {
    const begin = now();
    const child = spawn(program, ['bytes', String(count)], { stdio: ['inherit', 'pipe', 'inherit'] });
    const end = closed(child);
    let total = 0;
    child.stdout.on('data', (part) => (total += part.length));
    expect((await end) === 0 && total === count);
    return [now() - begin, 0n];
  },

  async lines(program, count, width) {
    const begin = now();
    const child = spawn(program, ['lines', String(count), String(width)], { stdio: ['inherit', 'pipe', 'inherit'] });
    const end = closed(child);
    let total = 0;
    readline.createInterface({ input: child.stdout, crlfDelay: Infinity }).on('line', () => ++total);
    expect((await end) === 0 && total === count);
    return [now() - begin, 0n];
  },

  async communicate(program, count, width) {
    const data = Buffer.alloc(width, 'i');
    let elapsed = 0n;
    for (let n = 0; n < count; ++n) {
      const begin = now();
      const child = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'] });
      const end = closed(child);
      const parts = [];
      child.stdout.on('data', (part) => parts.push(part));
      child.stdin.end(data);
      const code = await end;
      const out = Buffer.concat(parts);
      elapsed += now() - begin;
      expect(code === 0 && out.length === width);
    }
    return [elapsed, 0n];
  },

  async stall(program, count) {
    let last = now();
    let longest = 0n;
    let stopped = false;
    const turn = () => {
      const at = now();
      if (at - last > longest) longest = at - last;
      last = at;
      if (!stopped) setImmediate(turn);
    };
    setImmediate(turn);
    const gaps = [];
    for (let n = 0; n < count; ++n) {
      last = now();
      longest = 0n;
      await started(program);
      const at = now() - last;
      gaps.push(at > longest ? at : longest);
    }
    stopped = true;
    gaps.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    return [gaps[count >> 1] * BigInt(count), gaps[Math.min(count - 1, Math.floor((count * 99) / 100))]];
  },
};

let ballast = null;
let descriptors = [];
function become(mib, count) {
  ballast = null;
  global.gc(); // or the last ballast would stay
  for (const fd of descriptors) fs.closeSync(fd);
  descriptors = Array.from({ length: count }, () => fs.openSync('/dev/null', 'r'));
  if (mib > 0) ballast = Array.from({ length: mib >> 6 }, () => Buffer.alloc(64 << 20, 1));
}

serve(questions, become);
