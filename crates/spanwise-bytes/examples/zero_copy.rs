//! An exporter that copies no span: text and bytes of one memory, and a body in pieces to a connection.
//!
//! The wrong uses that the compiler refuses are in the documentation of `bytes_to_str` and `str_to_bytes`.
//!
//! `cargo run -p spanwise-bytes --example zero_copy`

use spanwise_bytes::{ByteStr, BytesChain, WriteTo as _, bytes::Bytes, bytes_to_str, str_to_bytes};
use std::error::Error;
use std::io::{self, Read as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// A test runs it too.
pub fn main() -> Result<(), Box<dyn Error>> {
    // BytesToString and StringToBytes: views, with one check for UTF-8 and without `unsafe`.
    let received = Bytes::from(String::from("GET /orders"));
    assert_eq!(bytes_to_str(&received)?.as_ptr(), received.as_ptr());
    assert_eq!(str_to_bytes("GET"), b"GET");
    // Owned text in the memory of the buffer, for longer than a borrow lasts.
    let path = ByteStr::from_utf8(received.clone())?.slice(4..).ok_or("no path")?;
    assert_eq!((&*path, path.as_ptr()), ("/orders", received[4..].as_ptr()));

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let reader = thread::spawn(move || -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        listener.accept()?.0.read_to_end(&mut body)?;
        Ok(body)
    });
    let mut exporter = ZeroCopyExporter { connection: TcpStream::connect(address)? };
    let spans = (0..1_000).map(|number| Bytes::from(format!("span {number}\n")));
    let spans: Vec<Bytes> = spans.collect();
    let written = exporter.export(&spans)?;
    drop(exporter); // closes the connection

    let body = reader.join().map_err(|_| "the reader panicked")??;
    println!("{written} bytes in {} pieces", spans.len());
    assert_eq!((written, body), (spans.concat().len() as u64, spans.concat()));
    Ok(())
}

struct ZeroCopyExporter {
    connection: TcpStream,
}

impl ZeroCopyExporter {
    /// Writes the spans where they lie: one system call for up to 64 of them, and no copy before it.
    fn export(&mut self, spans: &[Bytes]) -> io::Result<u64> {
        // A clone of `Bytes` is a reference, so that `spans` can be sent again.
        BytesChain::from_iter(spans.iter().cloned()).write_to(&mut self.connection)
    }
}
