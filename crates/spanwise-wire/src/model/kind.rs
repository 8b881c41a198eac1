/// `SpanKind` (specification, *SpanKind*). The discriminants are the numbers of OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum SpanKind {
    /// An operation inside the service.
    #[default]
    Internal = 1,
    /// The service handles a request of a remote client.
    Server = 2,
    /// The service sends a request to a remote service and waits for the response.
    Client = 3,
    /// The service hands a message to a broker.
    Producer = 4,
    /// The service receives a message from a broker.
    Consumer = 5,
}

impl SpanKind {
    /// The kind with this number in OTLP; `None` for 0 (unspecified) and for unknown numbers.
    pub const fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            1 => Self::Internal,
            2 => Self::Server,
            3 => Self::Client,
            4 => Self::Producer,
            5 => Self::Consumer,
            _ => return None,
        })
    }
}
