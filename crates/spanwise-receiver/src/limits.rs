//! What one receiver lets its clients have.

use std::time::Duration;

macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr;)+) => {
        /// Hard limits of a receiver.
        ///
        /// ```
        /// use spanwise_receiver::Limits;
        ///
        /// let limits = Limits::default().body_bytes(1 << 20).connections(8);
        /// ```
        ///
        /// A value that HTTP/2 or the server cannot work with is brought to the nearest one
        /// that it can.
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
            pub fn $name(mut self, $name: $type) -> Self {
                self.$name = $name;
                self
            })+
        }
    };
}

limits! {
    /// Bytes of one request's message, as sent and again after decompression. Default 16 MiB.
    body_bytes: usize = 16 << 20;
    /// Bytes of all request bodies held at once, compressed and inflated. Default 64 MiB: four
    /// of the largest.
    memory_bytes: usize = 64 << 20;
    /// Open connections; one more is accepted and closed at once. Default 256.
    connections: usize = 256;
    /// Requests at once on one HTTP/2 connection. Default 100.
    concurrent_streams: u32 = 100;
    /// Bytes of one request's headers. Default 16 KiB; at least 1 KiB.
    header_bytes: u32 = 16 << 10;
    /// HTTP/2 flow-control window of one stream, in bytes. Default 8 MiB: at the 64 KiB of the
    /// standard a client waits for us on every large request.
    stream_window: u32 = 8 << 20;
    /// HTTP/2 flow-control window of one connection, in bytes. Default 8 MiB.
    connection_window: u32 = 8 << 20;
    /// Largest HTTP/2 frame taken, in bytes. Default 1 MiB: fewer, larger reads.
    frame_bytes: u32 = 1 << 20;
    /// Time for a request's headers, from their first byte, and for a new connection to show
    /// its protocol. Default 10 s.
    header_timeout: Duration = Duration::from_secs(10);
    /// Time a connection may be without a request. Default 60 s.
    idle_timeout: Duration = Duration::from_secs(60);
    /// Time between HTTP/2 pings to a client. Default 20 s.
    ping_interval: Duration = Duration::from_secs(20);
    /// Time for a client to answer a ping. Default 10 s.
    ping_timeout: Duration = Duration::from_secs(10);
    /// Time over which a body's pace is measured. Default 5 s.
    body_window: Duration = Duration::from_secs(5);
    /// Bytes a second that a body must bring in each such time, or be cut. Default 1 KiB.
    body_rate: u64 = 1 << 10;
    /// Time for requests under way to finish at shutdown. Default 1 s.
    shutdown_grace: Duration = Duration::from_secs(1);
}
