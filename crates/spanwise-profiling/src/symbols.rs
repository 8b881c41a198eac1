//! Functions, files and lines of addresses, by the debug information of the program.

use std::collections::HashSet;

/// A function at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) function: String,
    /// Empty without debug information.
    pub(crate) file: String,
    /// 0 without debug information.
    pub(crate) line: u32,
}

/// Resolves addresses. The drop frees the debug information that was read meanwhile.
pub(crate) struct Symbols {
    is_internal: fn(&Line) -> bool,
    hidden: HashSet<usize>,
}

impl Symbols {
    /// All functions.
    pub(crate) fn all() -> Self {
        Self::without(|_| false)
    }

    /// Hides functions: an address with no others is hidden at the innermost end of a stack.
    pub(crate) fn without(is_internal: fn(&Line) -> bool) -> Self {
        Self { is_internal, hidden: HashSet::new() }
    }

    /// The functions at a return address, inlined ones first; empty without symbols.
    pub(crate) fn resolve(&mut self, address: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        // The crate resolves the address before this one: within the call.
        backtrace::resolve(address as *mut std::ffi::c_void, |symbol| {
            // Without the hash of the symbol.
            let Some(function) = symbol.name().map(|name| format!("{name:#}")) else { return };
            let file = symbol.filename().map(|file| file.to_string_lossy().into_owned());
            let line = symbol.lineno().unwrap_or(0);
            lines.push(Line { function, file: file.unwrap_or_default(), line });
        });
        let visible = lines.iter().position(|line| !(self.is_internal)(line));
        match visible {
            Some(first) => lines.split_off(first),
            None => {
                if !lines.is_empty() {
                    self.hidden.insert(address);
                }
                lines
            }
        }
    }

    /// Whether all functions at a return address are hidden ones.
    pub(crate) fn is_hidden(&self, address: usize) -> bool {
        self.hidden.contains(&address)
    }
}

impl Drop for Symbols {
    fn drop(&mut self) {
        backtrace::clear_symbol_cache();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_this_crate_has_a_function_and_with_debug_information_a_line() {
        let mut stack = crate::unwind::Stack::new();
        stack.capture();
        let mut symbols = Symbols::all();
        let lines: Vec<Line> =
            stack.frames().iter().flat_map(|frame| symbols.resolve(*frame)).collect();
        let name = "an_address_of_this_crate_has_a_function_and_with_debug_information_a_line";
        let own = lines.iter().find(|line| line.function.contains(name)).unwrap();
        let has_line = own.file.ends_with("symbols.rs") && own.line > 60;
        // A build without debug information has the symbols alone.
        assert!(has_line || (own.file.is_empty() && own.line == 0), "{own:?}");
        assert!(!own.function.contains("::h"), "{own:?}");
    }

    #[test]
    fn an_address_without_code_has_no_function() {
        assert_eq!(Symbols::all().resolve(3), []);
    }
}
