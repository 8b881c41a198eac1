//! TCP connections to a host name: resolves its addresses and tries them by "happy eyeballs".

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::problem::{CONNECT_TIMEOUT, ConnectProblem};
use super::resolve::resolve;

/// Connects to `port` of `host`, a name or an address without brackets.
///
/// The system resolves the name on a thread of that host. Where it has addresses of both families, those of
/// the first one's family have a head start (RFC 6555).
pub(crate) async fn connect(host: &str, port: u16) -> Result<TcpStream, ConnectProblem> {
    let addresses = resolve(host, port).await?;
    let prefers_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == prefers_v6);
    let stream = if others.is_empty() {
        first_of(&preferred).await?
    } else {
        race(first_of(&preferred), first_of(&others)).await?
    };
    // A connection without these options works: it is slower, and detects a vanished peer later.
    let _ = stream.set_nodelay(true);
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&keep_alive);
    Ok(stream)
}

/// Connects to the Unix socket at `path`.
#[cfg(unix)]
pub(crate) async fn connect_unix(path: &str) -> Result<tokio::net::UnixStream, ConnectProblem> {
    let connected = tokio::net::UnixStream::connect(path).await;
    connected.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => ConnectProblem::NoSocket,
        _ => ConnectProblem::of(&error),
    })
}

/// Runs both futures and returns the first success; `other` starts when `preferred` has failed, or
/// has not succeeded within [`HEAD_START`].
async fn race<T, E>(
    preferred: impl Future<Output = Result<T, E>>,
    other: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let (mut preferred, mut other) = (pin!(preferred), pin!(other));
    match timeout(HEAD_START, preferred.as_mut()).await {
        Ok(Ok(connected)) => return Ok(connected),
        Ok(Err(_)) => return other.await,
        Err(_) => {}
    }
    let (ended, is_preferred) = poll_fn(|cx| match preferred.as_mut().poll(cx) {
        Poll::Ready(ended) => Poll::Ready((ended, true)),
        Poll::Pending => other.as_mut().poll(cx).map(|ended| (ended, false)),
    })
    .await;
    match (ended, is_preferred) {
        (Ok(connected), _) => Ok(connected),
        (Err(_), true) => other.await,
        (Err(_), false) => preferred.await,
    }
}

/// Connects to the first of `addresses` that accepts; they share [`CONNECT_TIMEOUT`]. If none does,
/// returns the problem of the first address.
async fn first_of(addresses: &[SocketAddr]) -> Result<TcpStream, ConnectProblem> {
    let share = CONNECT_TIMEOUT / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut first_problem = None;
    for address in addresses {
        let problem = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => ConnectProblem::of(&error),
            Err(_) => ConnectProblem::TimedOut,
        };
        first_problem.get_or_insert(problem);
    }
    Err(first_problem.unwrap_or_else(|| ConnectProblem::Name("it has no address".to_owned())))
}

const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// RFC 6555, 5.5: between 150 and 250 ms is recommended; hosts that are slow get a little more.
const HEAD_START: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    /// Succeeds or fails with `output` after `millis`.
    async fn after<T>(millis: u64, output: T) -> T {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        output
    }

    /// RFC 6555, 4.2: the preferred family wins if it is no more than its head start slower; RFC
    /// 6555, 4: a family that fails, or hangs, costs no more than that.
    #[tokio::test(start_paused = true)]
    async fn the_other_family_is_tried_after_a_head_start() {
        let never = u64::from(u32::MAX);
        let cases = [
            ((50, Ok("v6")), (0, Ok("v4")), Ok("v6"), 50),
            ((never, Ok("v6")), (20, Ok("v4")), Ok("v4"), 320),
            ((310, Ok("v6")), (20, Ok("v4")), Ok("v6"), 310),
            ((10, Err("v6")), (20, Ok("v4")), Ok("v4"), 30),
            ((400, Err("v6")), (200, Ok("v4")), Ok("v4"), 500),
            ((400, Ok("v6")), (20, Err("v4")), Ok("v6"), 400),
            ((400, Err("v6")), (20, Err("v4")), Err("v6"), 400),
        ];
        for ((first, preferred), (second, other), expected, took) in cases {
            let start = tokio::time::Instant::now();
            let raced = race(after(first, preferred), after(second, other)).await;
            assert_eq!(raced, expected, "{first} {second}");
            let passed = start.elapsed().as_millis() as u64;
            assert!((took..took + 5).contains(&passed), "{first} {second}: {passed}");
        }
    }

    #[tokio::test]
    async fn the_next_address_is_tried_when_one_refuses() {
        let closed = spanwise_testkit::ClosedPort::new().unwrap();
        let refusing = closed.endpoint().unwrap().replace("http://", "").parse().unwrap();
        let open = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let listening = open.local_addr().unwrap();
        let stream = first_of(&[refusing, listening]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), listening);
        let problem = first_of(&[refusing]).await.unwrap_err();
        assert_eq!(problem, ConnectProblem::Refused);
    }
}
