//! The accept loop of the proxy, and the relay of one connection.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::fault::Fault;
use super::plan::{End, Plan, PlanReceiver};
use super::traffic::Meter;

/// Accepts until the sender of the plan is dropped; then every connection is dropped with the set.
pub(super) async fn accept(
    listener: TcpListener,
    upstream: SocketAddr,
    plan: watch::Receiver<Plan>,
    meter: Arc<Meter>,
) {
    let mut stopped = plan.clone();
    let mut stop = pin!(async move { while stopped.changed().await.is_ok() {} });
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = &mut stop => return,
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    let (plan, meter) = (plan.clone(), Arc::clone(&meter));
                    open.spawn(connection(client, upstream, plan, meter));
                }
                // Out of descriptors, or the client has closed already: neither ends the proxy.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
            Some(_over) = open.join_next(), if !open.is_empty() => {}
        }
    }
}

async fn connection(
    mut client: TcpStream,
    upstream: SocketAddr,
    mut plan: watch::Receiver<Plan>,
    meter: Arc<Meter>,
) {
    let generation = plan.borrow_and_update().generation;
    meter.add(|traffic| traffic.connections += 1);
    let end = relay(&mut client, upstream, plan, generation, &meter).await.err();
    if end.is_some() {
        let _already_closed = client.set_zero_linger();
    }
    drop(client);
    meter.add(|traffic| {
        traffic.closed += 1;
        traffic.resets += u64::from(matches!(end, Some(End::Reset)));
    });
}

/// Relays until both sides have shut down their connection.
async fn relay(
    client: &mut TcpStream,
    upstream: SocketAddr,
    mut plan: watch::Receiver<Plan>,
    generation: u64,
    meter: &Meter,
) -> Result<(), End> {
    while plan.fault_for(generation)? == Fault::BlackHole {
        plan.next().await;
    }
    let mut upstream = TcpStream::connect(upstream).await.map_err(broken)?;
    client.set_nodelay(true).map_err(broken)?;
    upstream.set_nodelay(true).map_err(broken)?;
    let (from_client, to_client) = client.split();
    let (from_upstream, to_upstream) = upstream.split();
    let request =
        Pump { direction: Direction::Request, plan: plan.clone(), generation, meter, moved: 0 };
    let response = Pump { direction: Direction::Response, plan, generation, meter, moved: 0 };
    tokio::try_join!(
        request.run(from_client, to_upstream),
        response.run(from_upstream, to_client)
    )?;
    Ok(())
}

/// One direction of one connection.
struct Pump<'a> {
    direction: Direction,
    plan: watch::Receiver<Plan>,
    generation: u64,
    meter: &'a Meter,
    /// Bytes written so far.
    moved: u64,
}

impl Pump<'_> {
    async fn run(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Result<(), End> {
        let mut buffer = vec![0; CHUNK];
        loop {
            if self.allowance()?.is_none() {
                self.plan.next().await;
                continue;
            }
            let len = tokio::select! {
                biased;
                () = self.plan.next() => continue,
                read = from.read(&mut buffer) => read.map_err(broken)?,
            };
            if len == 0 {
                return to.shutdown().await.map_err(broken);
            }
            self.deliver(&buffer[..len], &mut to).await?;
        }
    }

    /// Writes `bytes` as the current plan allows. Every wait ends when the plan changes, and no wait
    /// loses bytes.
    async fn deliver(&mut self, mut bytes: &[u8], to: &mut WriteHalf<'_>) -> Result<(), End> {
        let mut delayed = false;
        while !bytes.is_empty() {
            let Some(allowance) = self.allowance()? else {
                self.plan.next().await;
                continue;
            };
            if let Some(delay) = allowance.before.filter(|_| !delayed) {
                delayed = self.pause(delay).await;
                continue;
            }
            let mut portion = bytes[..bytes.len().min(allowance.max_bytes)].to_vec();
            if allowance.inverted {
                portion.iter_mut().for_each(|byte| *byte = !*byte);
            }
            let written = tokio::select! {
                biased;
                () = self.plan.next() => continue,
                written = to.write(&portion) => written.map_err(broken)?,
            };
            bytes = &bytes[written..];
            self.count(written);
            if let Some(tick) = allowance.after {
                self.pause(tick).await;
            }
        }
        Ok(())
    }

    /// The bytes that the current plan allows this direction to write; `None` if it must wait.
    fn allowance(&mut self) -> Result<Option<Allowance>, End> {
        let free = Allowance { before: None, max_bytes: usize::MAX, inverted: false, after: None };
        let up_to = |limit: u64| match limit.saturating_sub(self.moved) {
            0 => Err(End::Reset),
            left => {
                Ok(Allowance { max_bytes: usize::try_from(left).unwrap_or(usize::MAX), ..free })
            }
        };
        let allowance = match (self.plan.fault_for(self.generation)?, self.direction) {
            (Fault::BlackHole, _) | (Fault::StopReading, Direction::Request) => return Ok(None),
            (Fault::ResetAfterRequestBytes(limit), Direction::Request) => up_to(limit)?,
            (Fault::ResetAfterResponseBytes(limit), Direction::Response) => up_to(limit)?,
            (Fault::Delay(delay), _) => Allowance { before: Some(delay), ..free },
            (Fault::DripResponse { bytes_per_tick, tick }, Direction::Response) => {
                Allowance { max_bytes: bytes_per_tick.max(1), after: Some(tick), ..free }
            }
            (Fault::CorruptResponse, Direction::Response) => Allowance { inverted: true, ..free },
            _ => free,
        };
        Ok(Some(allowance))
    }

    /// Returns true after `time`, and false if the plan changed first.
    async fn pause(&mut self, time: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.plan.next() => false,
            () = sleep(time) => true,
        }
    }

    fn count(&mut self, written: usize) {
        let written = written as u64;
        self.moved += written;
        self.meter.add(|traffic| match self.direction {
            Direction::Request => traffic.request_bytes += written,
            Direction::Response => traffic.response_bytes += written,
        });
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Request,
    Response,
}

/// How the next bytes may be written.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    before: Option<Duration>,
    max_bytes: usize,
    inverted: bool,
    after: Option<Duration>,
}

fn broken(_: io::Error) -> End {
    End::Broken
}

const CHUNK: usize = 16 << 10;
