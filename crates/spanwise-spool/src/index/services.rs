//! The names of a segment's services, each stored once.

use super::numbers::Numbers;

/// Names in one index at most. Records with spans of further services are marked, and found by every name.
const MAX_SERVICES: usize = 1024;
/// Bytes of a name at most; a longer one counts as a further service.
const MAX_NAME_BYTES: usize = 255;

/// The names, in the order of their first spans. A service without a name is `""`.
#[derive(Debug, Default, Clone)]
pub(super) struct Services {
    names: Vec<String>,
}

impl Services {
    /// The number of `name`, which is added if it fits; `None` for a further service.
    pub(super) fn number_or_add(&mut self, name: &str) -> Option<u16> {
        if let Some(number) = self.number(name) {
            return Some(number);
        }
        if self.names.len() >= MAX_SERVICES || name.len() > MAX_NAME_BYTES {
            return None;
        }
        self.names.push(name.to_owned());
        self.number(name)
    }

    pub(super) fn number(&self, name: &str) -> Option<u16> {
        let at = self.names.iter().position(|known| known == name)?;
        u16::try_from(at).ok()
    }

    pub(super) fn name(&self, number: u16) -> Option<&str> {
        self.names.get(usize::from(number)).map(String::as_str)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for name in &self.names {
            out.push(name.len() as u8);
            out.extend_from_slice(name.as_bytes());
        }
    }

    /// Reads `count` names; `None` if the bytes are not names.
    pub(super) fn read(bytes: &mut Numbers<'_>, count: u32) -> Option<Self> {
        let mut services = Self::default();
        if count as usize > MAX_SERVICES {
            return None;
        }
        for _ in 0..count {
            let [len] = bytes.array()?;
            let name = bytes.bytes(usize::from(len))?;
            services.names.push(std::str::from_utf8(name).ok()?.to_owned());
        }
        Some(services)
    }
}
