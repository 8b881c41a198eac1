/// `Status.StatusCode` of OTLP (specification, *Set Status*). The discriminants are OTLP's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum StatusCode {
    /// The default status.
    #[default]
    Unset = 0,
    /// The application developer marked the operation as successful.
    Ok = 1,
    /// The operation failed.
    Error = 2,
}

impl StatusCode {
    /// The code with this number in OTLP; `None` for unknown numbers.
    pub const fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            0 => Self::Unset,
            1 => Self::Ok,
            2 => Self::Error,
            _ => return None,
        })
    }
}

/// A span's status: the code, and of an error the description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status<'a> {
    /// The code.
    pub code: StatusCode,
    /// The description; empty unless the code is [`StatusCode::Error`].
    pub description: &'a str,
}

impl<'a> Status<'a> {
    /// The default status.
    pub const UNSET: Self = Self { code: StatusCode::Unset, description: "" };
    /// The operation succeeded.
    pub const OK: Self = Self { code: StatusCode::Ok, description: "" };

    /// The operation failed.
    pub const fn error(description: &'a str) -> Self {
        Self { code: StatusCode::Error, description }
    }
}
