//! The banned words, read from the tables of docs/STYLE.md.

/// The tables between the markers of the page.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Glossary {
    pub terms: Vec<Term>,
    pub exceptions: Vec<Exception>,
}

/// One banned word or phrase.
#[derive(Debug, PartialEq, Eq)]
pub struct Term {
    /// In lower case.
    pub words: Vec<String>,
    /// Banned only as the first word of a sentence that is not a question.
    pub at_start: bool,
    pub instead: String,
}

/// A file that may use a word.
#[derive(Debug, PartialEq, Eq)]
pub struct Exception {
    pub file: String,
    pub word: String,
}

/// Lines between these markers are not checked.
pub const BEGIN: &str = "<!-- words:begin -->";
pub const END: &str = "<!-- words:end -->";

const EXCEPTIONS: &str = "| File |";

impl Glossary {
    /// Reads every table row between the markers that begins with a word in backticks.
    ///
    /// # Errors
    /// When the page lacks the markers, or a row its second or third cell.
    pub fn read(page: &str) -> Result<Glossary, String> {
        let mut glossary = Glossary::default();
        let (mut inside, mut exceptions) = (false, false);
        for line in page.lines() {
            match line.trim() {
                BEGIN => inside = true,
                END => (inside, exceptions) = (false, false),
                "" => exceptions = false,
                row if inside && row.starts_with(EXCEPTIONS) => exceptions = true,
                row if inside && row.starts_with("| `") => glossary.add(row, exceptions)?,
                _ => {}
            }
        }
        if glossary.terms.is_empty() {
            return Err(format!("no table of words between {BEGIN} and {END}"));
        }
        Ok(glossary)
    }

    fn add(&mut self, row: &str, exception: bool) -> Result<(), String> {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        match cells.as_slice() {
            [file, word, reason] if exception && !reason.is_empty() => {
                let bare = |cell: &str| cell.trim_matches('`').to_owned();
                self.exceptions.push(Exception { file: bare(file), word: bare(word) });
                Ok(())
            }
            [words, instead] if !exception && !instead.is_empty() => {
                // Every second part is between backticks.
                for words in words.split('`').skip(1).step_by(2) {
                    self.terms.push(Term {
                        words: words.split_whitespace().map(str::to_lowercase).collect(),
                        at_start: words.starts_with(char::is_uppercase),
                        instead: (*instead).to_owned(),
                    });
                }
                Ok(())
            }
            _ => Err(format!("a row with a wrong number of cells, or an empty last one: {row}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
| `outside` | x |
<!-- words:begin -->
| Not | Instead |
|---|---|
| `alpha`, `beta gamma` | reported |
| `Omega` | the subject |

| File | Word | Reason |
|---|---|---|
| `a/b.rs` | `alpha` | a foreign name |
<!-- words:end -->
";

    #[test]
    fn words_phrases_starts_and_exceptions_are_read() {
        let glossary = Glossary::read(PAGE).unwrap();
        let words: Vec<String> = glossary.terms.iter().map(|term| term.words.join(" ")).collect();
        assert_eq!(words, ["alpha", "beta gamma", "omega"]);
        assert_eq!(glossary.terms[1].instead, "reported");
        assert!(glossary.terms[2].at_start && !glossary.terms[0].at_start);
        let exception = Exception { file: "a/b.rs".to_owned(), word: "alpha".to_owned() };
        assert_eq!(glossary.exceptions, [exception]);
    }

    #[test]
    fn a_table_with_holes_is_an_error() {
        assert!(Glossary::read("no markers").is_err());
        assert!(Glossary::read(&PAGE.replace("| reported |", "| |")).is_err());
        assert!(Glossary::read(&PAGE.replace("| a foreign name |", "| |")).is_err());
    }
}
