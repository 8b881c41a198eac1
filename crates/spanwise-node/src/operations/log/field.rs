//! The fields of an event.

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field<'a> {
    /// Text, which may come from outside: it is escaped when it is written.
    Text(&'a str),
    Number(u64),
}

impl<'a> From<&'a str> for Field<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Field<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

/// The fields of an event, at most [`MAX_FIELDS`], without an allocation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    fields: [(&'static str, Field<'a>); MAX_FIELDS],
    len: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(given: &[(&'static str, Field<'a>)]) -> Self {
        let mut fields = [("", Field::Number(0)); MAX_FIELDS];
        for (place, field) in fields.iter_mut().zip(given) {
            *place = *field;
        }
        Self { fields, len: given.len().min(MAX_FIELDS) }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, Field<'a>)> + '_ {
        self.fields.iter().copied().take(self.len)
    }

    /// The text of the first field.
    pub(crate) fn subject(&self) -> &'a str {
        match self.iter().next() {
            Some((_, Field::Text(text))) => text,
            _ => "",
        }
    }
}

/// The most fields of an event.
pub(crate) const MAX_FIELDS: usize = 5;
