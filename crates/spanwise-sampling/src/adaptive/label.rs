//! [`Label`]: the start of a key's text, without an allocation.

use std::fmt;

/// At most 48 bytes of a text, cut between characters.
#[derive(Clone, Copy)]
pub(super) struct Label {
    len: u8,
    bytes: [u8; MAX],
}

impl Label {
    pub(super) fn of(text: &str) -> Self {
        let end = (0..=text.len().min(MAX)).rev().find(|at| text.is_char_boundary(*at));
        let text = text.as_bytes().get(..end.unwrap_or_default()).unwrap_or_default();
        let mut bytes = [0; MAX];
        bytes.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
        Self { len: text.len() as u8, bytes }
    }

    pub(super) fn as_str(&self) -> &str {
        let text = self.bytes.get(..self.len.into()).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

const MAX: usize = 48;

#[cfg(test)]
mod tests {
    use super::Label;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(Label::of("").as_str(), "");
        assert_eq!(Label::of("GET /").as_str(), "GET /");
        let long = format!("{}é", "x".repeat(47));
        assert_eq!(Label::of(&long).as_str(), "x".repeat(47));
        assert_eq!(Label::of(&"é".repeat(100)).as_str(), "é".repeat(24));
    }
}
