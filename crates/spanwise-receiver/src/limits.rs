//! The limits of a receiver.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::StartError;

macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $name:ident, $with:ident: $type:ty = $default:expr, $range:expr;)+) => {
        /// Hard limits of a receiver.
        ///
        /// ```
        /// use spanwise_receiver::Limits;
        ///
        /// let _limits = Limits::default().with_body_bytes(1 << 20).with_connections(8);
        /// ```
        ///
        /// [`ReceiverBuilder::start`](crate::ReceiverBuilder::start) checks that each is in its range, and its
        /// error names the one that is not.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Limits {
            $(pub(crate) $name: $type,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl Limits {
            $($(#[doc = $doc])+
            pub fn $with(mut self, $name: $type) -> Self {
                self.$name = $name;
                self
            })+

            /// Checks all limits; the error names the one out of its range.
            pub(crate) fn check(&self) -> Result<(), StartError> {
                $(within(stringify!($name), self.$name, $range)?;)+
                Ok(())
            }
        }
    };
}

limits! {
    /// Bytes of one request's message, as sent and again after decompression. Default 16 MiB;
    /// at most `isize::MAX`.
    body_bytes, with_body_bytes: usize = 16 << 20, 0..=isize::MAX as usize;
    /// Bytes of all memory that the receiver holds for clients: request bodies, compressed and
    /// inflated, read buffers beyond 8 KiB a connection, large headers, and for an export that
    /// waits for a handler all of its headers and 2 KiB; for a TLS session 128 KiB and the certificates of its
    /// client, of which its handshake holds 128 KiB. At most half of it is read buffers and TLS sessions, and
    /// an eighth buffers that are cached for the next bodies. In addition, the receiver uses up to 128 KiB per
    /// connection, and one body while a growing one is moved. Default 64 MiB: four of the largest bodies; at
    /// most `isize::MAX`, with TLS at least 256 KiB, with client certificates at least 512 KiB.
    memory_bytes, with_memory_bytes: usize = 64 << 20, 0..=isize::MAX as usize;
    /// Open connections. One more replaces a connection that has been idle or slow for long, or is
    /// closed at once: connections without a request are replaced first, then the slowest. Default 256; 1 to 65,536.
    connections, with_connections: usize = 256, 1..=1 << 16;
    /// Concurrent requests on one HTTP/2 connection. Default 100; 1 to 65,536.
    concurrent_streams, with_concurrent_streams: u32 = 100, 1..=1 << 16;
    /// Bytes of one request's headers. Default 16 KiB; 1 KiB to 128 KiB, which is what one
    /// connection may hold of headers in addition to all others.
    header_bytes, with_header_bytes: u32 = 16 << 10, 1 << 10..=READ_BUFFER as u32;
    /// HTTP/2 flow-control window of one stream, in bytes. Default 8 MiB: with the 64 KiB of the
    /// standard, a client waits for window updates in every large request. 1 to 2³¹ - 1.
    stream_window, with_stream_window: u32 = 8 << 20, 1..=(1 << 31) - 1;
    /// HTTP/2 flow-control window of one connection, in bytes. Default 8 MiB; 65,535 to
    /// 2³¹ - 1.
    connection_window, with_connection_window: u32 = 8 << 20, (1 << 16) - 1..=(1 << 31) - 1;
    /// Largest accepted HTTP/2 frame, in bytes. Default 1 MiB: fewer, larger reads. Each connection
    /// is charged for two; one without memory for them has frames of 16 KiB, windows
    /// of 256 KiB and at most 8 requests at once. 16 KiB to 16 MiB - 1.
    frame_bytes, with_frame_bytes: u32 = 1 << 20, 1 << 14..=(1 << 24) - 1;
    /// Time for a request's headers, from their first byte, and for a new connection to make its TLS session
    /// and to show its protocol. Default 10 s; at least 1 ms.
    header_timeout, with_header_timeout: Duration = Duration::from_secs(10), MIN_TIME..=Duration::MAX;
    /// Time a connection may be open without a request. Default 60 s; at least 1 ms.
    idle_timeout, with_idle_timeout: Duration = Duration::from_secs(60), MIN_TIME..=Duration::MAX;
    /// Age at which a connection ends, or up to a tenth of it before: its client makes a new one, and a load balancer may give it another
    /// server. An HTTP/2 client gets a GOAWAY, and 30 s for its open requests; an HTTP/1 client `connection: close` with its next response.
    /// Default `Duration::MAX`, for no end because of the age; at least 1 ms.
    connection_age, with_connection_age: Duration = Duration::MAX, MIN_TIME..=Duration::MAX;
    /// Time between HTTP/2 pings to a client. Default 20 s; at least 1 ms.
    ping_interval, with_ping_interval: Duration = Duration::from_secs(20), MIN_TIME..=Duration::MAX;
    /// Time for a client to answer a ping. Default 10 s; at least 1 ms.
    ping_timeout, with_ping_timeout: Duration = Duration::from_secs(10), MIN_TIME..=Duration::MAX;
    /// Time over which the rate of a body is measured. Default 5 s; at least 1 ms.
    body_window, with_body_window: Duration = Duration::from_secs(5), MIN_TIME..=Duration::MAX;
    /// Minimum bytes per second of a body in each such window; a slower body is rejected. Default 1 KiB; any.
    body_rate, with_body_rate: u64 = 1 << 10, 0..=u64::MAX;
    /// Time for open requests to finish at shutdown. Default 1 s; any.
    shutdown_timeout, with_shutdown_timeout: Duration = Duration::from_secs(1), Duration::ZERO..=Duration::MAX;
}

impl Limits {
    /// Checks that connections, which share half of the memory, can hold a session of `bytes` bytes.
    #[cfg(feature = "tls")]
    pub(crate) fn check_session(&self, bytes: usize) -> Result<(), StartError> {
        within("memory_bytes", self.memory_bytes, 2 * bytes..=isize::MAX as usize)
    }
}

/// Largest read of hyper: with reads of 8 KiB, a large body would be hundreds of frames.
pub(crate) const READ_BUFFER: usize = 128 << 10;
/// A year: longer than any timeout, and short enough to be added to any instant.
pub(crate) const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// A shorter timer would be a busy loop.
const MIN_TIME: Duration = Duration::from_millis(1);

fn within<T>(limit: &'static str, value: T, range: RangeInclusive<T>) -> Result<(), StartError>
where
    T: PartialOrd + fmt::Debug,
{
    if range.contains(&value) {
        return Ok(());
    }
    let (value, range) = (format!("{value:?}"), format!("{range:?}"));
    Err(StartError::Limit { limit, value, range })
}
