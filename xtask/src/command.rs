//! A subcommand and its arguments.

/// One subcommand. A new one is a module with a `COMMAND` and a line in `COMMANDS` in main.rs.
pub struct Command {
    pub name: &'static str,
    /// One line for the list.
    pub summary: &'static str,
    /// The text of `cargo xtask <name> --help` below the summary.
    pub help: &'static str,
    /// Takes the arguments after the name; an error is printed and makes the exit status 1.
    pub run: fn(&[String]) -> Result<(), String>,
}

/// Returns an error for the first argument that is not in `known`.
pub fn only_flags(args: &[String], known: &[&str]) -> Result<(), String> {
    match args.iter().find(|argument| !known.contains(&argument.as_str())) {
        None => Ok(()),
        Some(other) if known.is_empty() => Err(format!("takes no arguments, got {other:?}")),
        Some(other) => Err(format!("knows {} but not {other:?}", known.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_flags_are_refused() {
        let args = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        assert_eq!(only_flags(&args(&["--quick"]), &["--quick"]), Ok(()));
        assert!(only_flags(&args(&["--quack"]), &["--quick"]).is_err());
        assert!(only_flags(&args(&["x"]), &[]).is_err());
    }
}
