//! The content codings that client and server have to treat alike.

/// The values of `Content-Encoding` in a message, a header line each, for a recipient that decodes gzip
/// and one coding at most.
///
/// RFC 9110, 8.4 and 5.6.1: codings are a list in any number of lines, case-insensitive (8.4.1), whose
/// empty members are ignored; 8.4.1.3: `x-gzip` is `gzip`; 12.5.3: `identity` is no coding.
#[derive(Debug, Clone, Copy)]
pub struct ContentCodings {
    /// The message is not coded.
    pub identity: &'static [&'static [&'static str]],
    /// The message is gzip.
    pub gzip: &'static [&'static [&'static str]],
    /// The recipient cannot decode the message.
    pub unsupported: &'static [&'static [&'static str]],
}

impl ContentCodings {
    /// The table.
    pub const TABLE: Self = Self {
        identity: &[
            &[],
            &[""],
            &[","],
            &["identity"],
            &["Identity"],
            &["identity, identity"],
            &["Identity , ,"],
            &["", ""],
            &["", "IDENTITY"],
        ],
        gzip: &[
            &["gzip"],
            &["x-gzip"],
            &["X-GZIP"],
            &["GZip"],
            &["identity, gzip"],
            &[", identity,\tgzip"],
            &[",gzip,,"],
            &["\tgzip "],
            &["identity", "gzip"],
            &["", "gzip"],
        ],
        unsupported: &[
            &["br"],
            &["gzip, gzip"],
            &["gzip", "gzip"],
            &["gzip", "x-gzip"],
            &["gzip, br"],
            &["gzip;q=1"],
        ],
    };
}
