//! A TCP server on loopback with behaviour of the test's own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::{self, JoinHandle};

/// A TCP server on 127.0.0.1 that hands each connection to a function, on a thread of its own.
///
/// ```
/// use std::io::{Read as _, Write as _};
/// use spanwise_testkit::Peer;
///
/// let peer = Peer::start(|mut stream| _ = stream.write_all(b"hello")).unwrap();
/// let mut text = String::new();
/// std::net::TcpStream::connect(peer.address()).unwrap().read_to_string(&mut text).unwrap();
/// assert_eq!(text, "hello");
/// ```
///
/// Dropping it closes the listener; connections that the function still serves stay open until it
/// returns.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// Listens on a free port and calls `serve` for each connection.
    ///
    /// # Errors
    /// If the system has no port, descriptor or thread left.
    pub fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (stopped, serve) = (Arc::new(AtomicBool::new(false)), Arc::new(serve));
        let stop = Arc::clone(&stopped);
        let accept = move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stop.load(SeqCst) {
                    break;
                }
                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(stream));
            }
        };
        let thread = thread::Builder::new().name("peer".into()).spawn(accept)?;
        Ok(Self { address, stopped, thread: Some(thread) })
    }

    /// The address of the listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// [`address`](Self::address) as a URL: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stopped.store(true, SeqCst);
        // A connection wakes the thread from `accept`. Without one it would stay there: then it is
        // not joined.
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _panicked = thread.join();
        }
    }
}
