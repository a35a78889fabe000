//! tokio's process module and its channels, on one current-thread runtime.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::io::{BufRead, Write};
use std::os::fd::{IntoRawFd, RawFd};
use std::process::Stdio;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::task::LocalSet;

type Outcome = Result<(u128, u128), Box<dyn Error>>;

const NOT_ALL: &str = "the program failed, or not all came";

async fn started(program: &str) -> Result<(), Box<dyn Error>> {
    if !Command::new(program).spawn()?.wait().await?.success() {
        return Err(NOT_ALL.into());
    }
    Ok(())
}

async fn captured(program: &str) -> Result<(), Box<dyn Error>> {
    let child = Command::new(program).stdout(Stdio::piped()).spawn()?;
    if !child.wait_with_output().await?.status.success() {
        return Err(NOT_ALL.into());
    }
    Ok(())
}

async fn in_lanes(capture: bool, program: &str, count: i64, width: i64) -> Outcome {
    let left = Rc::new(Cell::new(count));
    let begin = Instant::now();
    let mut lanes = Vec::new();
    for _ in 0..width {
        let left = left.clone();
        let program = program.to_owned();
        lanes.push(tokio::task::spawn_local(async move {
            while left.get() > 0 {
                left.set(left.get() - 1);
                let one = if capture { captured(&program).await } else { started(&program).await };
                one.map_err(|e| e.to_string())?;
            }
            Ok::<(), String>(())
        }));
    }
    for lane in lanes {
        lane.await??;
    }
    Ok((begin.elapsed().as_nanos(), 0))
}

async fn pipe(program: &str, count: i64, width: i64) -> Outcome {
    let begin = Instant::now();
    let mut child =
        Command::new(program).args(["bytes", &count.to_string()]).stdout(Stdio::piped()).spawn()?;
    let mut out = child.stdout.take().ok_or(NOT_ALL)?;
    let mut buffer = vec![0u8; width as usize];
    let mut total = 0i64;
    loop {
        match out.read(&mut buffer).await? {
            0 => break,
            n => total += n as i64,
        }
    }
    let elapsed = begin.elapsed();
    if !child.wait().await?.success() || total != count {
        return Err(NOT_ALL.into());
    }
    Ok((elapsed.as_nanos(), 0))
}

async fn lines(program: &str, count: i64, width: i64) -> Outcome {
    let begin = Instant::now();
    let mut child = Command::new(program)
        .args(["lines", &count.to_string(), &width.to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut out = BufReader::with_capacity(65536, child.stdout.take().ok_or(NOT_ALL)?);
    let mut line = Vec::new();
    let mut total = 0i64;
    loop {
        line.clear();
        if out.read_until(b'\n', &mut line).await? == 0 {
            break;
        }
        total += 1;
    }
    let elapsed = begin.elapsed();
    if !child.wait().await?.success() || total != count {
        return Err(NOT_ALL.into());
    }
    Ok((elapsed.as_nanos(), 0))
}

async fn communicate(program: &str, count: i64, width: i64) -> Outcome {
    let data = vec![b'i'; width as usize];
    let mut elapsed = Duration::ZERO;
    for _ in 0..count {
        let begin = Instant::now();
        let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().ok_or(NOT_ALL)?;
        let feed = async {
            let result = stdin.write_all(&data).await;
            drop(stdin);
            result
        };
        let (fed, output) = tokio::join!(feed, child.wait_with_output());
        elapsed += begin.elapsed();
        fed?;
        let output = output?;
        if !output.status.success() || output.stdout.len() != width as usize {
            return Err(NOT_ALL.into());
        }
    }
    Ok((elapsed.as_nanos(), 0))
}

struct Turns {
    last: Instant,
    longest: Duration,
    stopped: bool,
}

impl Turns {
    fn turn(&mut self) {
        let now = Instant::now();
        self.longest = self.longest.max(now - self.last);
        self.last = now;
    }
}

async fn stall(program: &str, count: i64) -> Outcome {
    let turns =
        Rc::new(RefCell::new(Turns { last: Instant::now(), longest: Duration::ZERO, stopped: false }));
    let ticking = turns.clone();
    let ticker = tokio::task::spawn_local(async move {
        while !ticking.borrow().stopped {
            ticking.borrow_mut().turn();
            tokio::task::yield_now().await;
        }
    });
    let mut gaps = Vec::new();
    for _ in 0..count {
        {
            let mut t = turns.borrow_mut();
            t.last = Instant::now();
            t.longest = Duration::ZERO;
        }
        started(program).await?;
        let mut t = turns.borrow_mut();
        t.turn();
        gaps.push(t.longest.as_nanos());
    }
    turns.borrow_mut().stopped = true;
    ticker.await?;
    gaps.sort();
    let n = gaps.len();
    Ok((gaps[n / 2] * n as u128, gaps[(n - 1).min(n * 99 / 100)]))
}

/// Ballast and open descriptors, on top of what the process has anyway.
#[derive(Default)]
struct Host {
    ballast: Option<(*mut libc::c_void, usize)>,
    descriptors: Vec<RawFd>,
}

impl Host {
    fn become_like(&mut self, mib: usize, descriptors: usize) -> Result<(), Box<dyn Error>> {
        // SAFETY: the mapping is this object's own, and so are the descriptors.
        unsafe {
            if let Some((memory, size)) = self.ballast.take() {
                libc::munmap(memory, size);
            }
            for fd in self.descriptors.drain(..) {
                libc::close(fd);
            }
            for _ in 0..descriptors {
                self.descriptors.push(std::fs::File::open("/dev/null")?.into_raw_fd());
            }
            if mib == 0 {
                return Ok(());
            }
            let size = mib << 20;
            let memory = libc::mmap(
                std::ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            if memory == libc::MAP_FAILED {
                return Err("no memory for the ballast".into());
            }
            libc::madvise(memory, size, libc::MADV_NOHUGEPAGE);
            libc::memset(memory, 1, size);
            self.ballast = Some((memory, size));
        }
        Ok(())
    }
}

async fn queue_put_get(count: i64, width: i64) -> Outcome {
    let (put, mut get) = tokio::sync::mpsc::channel::<i64>(width as usize);
    let mut sum = 0;
    let begin = Instant::now();
    for i in 0..count {
        put.send(i).await?;
        sum += get.recv().await.ok_or(NOT_ALL)?;
    }
    let elapsed = begin.elapsed().as_nanos();
    if sum != count * (count - 1) / 2 {
        return Err(NOT_ALL.into());
    }
    Ok((elapsed, 0))
}

async fn queue_hand_over(count: i64, width: i64) -> Outcome {
    let (put, mut get) = tokio::sync::mpsc::channel::<i64>(width as usize);
    let begin = Instant::now();
    let producer = tokio::spawn(async move {
        for i in 0..count {
            if put.send(i).await.is_err() {
                break;
            }
        }
    });
    let consumer = tokio::spawn(async move {
        let mut sum = 0;
        while let Some(item) = get.recv().await {
            sum += item;
        }
        sum
    });
    producer.await?;
    let sum = consumer.await?;
    let elapsed = begin.elapsed().as_nanos();
    if sum != count * (count - 1) / 2 {
        return Err(NOT_ALL.into());
    }
    Ok((elapsed, 0))
}

async fn answer(line: &str, host: &mut Host) -> Result<String, Box<dyn Error>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |at: usize| -> Result<i64, Box<dyn Error>> {
        Ok(words.get(at).ok_or("too few words")?.parse()?)
    };
    let (elapsed, tail) = match words.first().copied().unwrap_or("") {
        "hello" => {
            let version = option_env!("TOKIO_VERSION").unwrap_or("1");
            let questions = "start,capture,pipe,lines,communicate,stall,queue_put_get,queue_hand_over";
            return Ok(format!("ok tokio {version};{questions}"));
        }
        "host" => {
            host.become_like(number(1)? as usize, number(2)? as usize)?;
            (0, 0)
        }
        "start" => in_lanes(false, words[1], number(2)?, number(3)?).await?,
        "capture" => in_lanes(true, words[1], number(2)?, number(3)?).await?,
        "pipe" => pipe(words[1], number(2)?, number(3)?).await?,
        "lines" => lines(words[1], number(2)?, number(3)?).await?,
        "communicate" => communicate(words[1], number(2)?, number(3)?).await?,
        "stall" => stall(words[1], number(2)?).await?,
        "queue_put_get" => queue_put_get(number(2)?, number(3)?).await?,
        "queue_hand_over" => queue_hand_over(number(2)?, number(3)?).await?,
        _ => return Err("no such question".into()),
    };
    Ok(format!("ok {elapsed} {tail}"))
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let local = LocalSet::new();
    let mut host = Host::default();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let text = match local.block_on(&runtime, answer(&line, &mut host)) {
            Ok(text) => text,
            Err(error) => format!("error {error}"),
        };
        println!("{text}");
        let _ = std::io::stdout().flush();
    }
}
