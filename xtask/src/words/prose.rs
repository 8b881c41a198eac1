//! The sentences of a text: comments in Rust, everything but code in Markdown.

/// Lines of prose that belong together, without comment marks and list marks.
#[derive(Debug, Default, PartialEq, Eq)]
struct Paragraph {
    text: String,
    /// Offset in `text` at which each line begins, and the line's number.
    lines: Vec<(usize, usize)>,
}

/// The beginning of a sentence.
#[derive(Debug, PartialEq, Eq)]
pub struct Sentence {
    pub line: usize,
    pub text: String,
}

impl Sentence {
    pub fn is_question(&self) -> bool {
        self.text.trim_end_matches(MARKUP).ends_with('?')
    }
}

/// The sentences of a Markdown text.
pub fn in_markdown(text: &str) -> Vec<Sentence> {
    sentences(text.lines().enumerate().map(|(index, line)| (index + 1, line)))
}

/// The sentences of the comments of a Rust text.
pub fn in_rust(text: &str) -> Vec<Sentence> {
    let mut found = Vec::new();
    let mut block: Vec<(usize, &str)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let comment = comment(line);
        let alone = line.trim_start().starts_with("//");
        if !alone {
            found.extend(sentences(block.drain(..)));
        }
        if let Some(comment) = comment {
            block.push((index + 1, comment));
        }
        if !alone {
            found.extend(sentences(block.drain(..)));
        }
    }
    found.extend(sentences(block.drain(..)));
    found
}

/// The text after the first `//` that is not inside of a string.
fn comment(line: &str) -> Option<&str> {
    let mut string = false;
    let mut characters = line.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => drop(characters.next()),
            '"' => string = !string,
            '/' if !string && line[at..].starts_with("//") => {
                return Some(line[at..].trim_start_matches(['/', '!']));
            }
            _ => {}
        }
    }
    None
}

fn sentences<'a>(lines: impl IntoIterator<Item = (usize, &'a str)>) -> Vec<Sentence> {
    let mut found = Vec::new();
    let mut paragraph = Paragraph::default();
    let mut code = false;
    for (number, line) in lines {
        let line = line.trim();
        if line.starts_with("```") {
            code = !code;
        }
        if code || line.is_empty() || line.starts_with("```") {
            std::mem::take(&mut paragraph).split(&mut found);
            continue;
        }
        if line.starts_with('|') {
            for cell in line.split('|') {
                Paragraph::of(number, cell).split(&mut found);
            }
            continue;
        }
        let item = line.trim_start_matches([
            '-', '*', '#', '>', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '.',
        ]);
        let begins = item.starts_with(' ') && item.len() < line.len();
        if begins {
            std::mem::take(&mut paragraph).split(&mut found);
        }
        paragraph.push(number, if begins { item } else { line });
        if line.starts_with('#') {
            std::mem::take(&mut paragraph).split(&mut found);
        }
    }
    paragraph.split(&mut found);
    found
}

impl Paragraph {
    fn of(number: usize, line: &str) -> Paragraph {
        let mut paragraph = Paragraph::default();
        paragraph.push(number, line);
        paragraph
    }

    fn push(&mut self, number: usize, line: &str) {
        self.lines.push((self.text.len(), number));
        self.text.push_str(line.trim());
        self.text.push(' ');
    }

    fn split(self, found: &mut Vec<Sentence>) {
        let mut begin = 0;
        for (at, c) in self.text.char_indices() {
            if c == ' ' && self.text[..at].trim_end_matches(MARKUP).ends_with(['.', '!', '?']) {
                self.add(begin, at, found);
                begin = at;
            }
        }
        self.add(begin, self.text.len(), found);
    }

    fn add(&self, begin: usize, end: usize, found: &mut Vec<Sentence>) {
        let text = self.text[begin..end].trim_start_matches([' ', '*', '_', '"', '(', '[']);
        let begin = end - text.len();
        if text.trim().is_empty() {
            return;
        }
        if let Some(&(_, line)) = self.lines.iter().rev().find(|&&(offset, _)| offset <= begin) {
            found.push(Sentence { line, text: text.trim_end().to_owned() });
        }
    }
}

/// Marks that may stand between the end of a sentence and the next blank.
const MARKUP: &[char] = &['*', '_', '"', ')', ']', '`', ' '];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: &[Sentence], expected: &[(usize, &str)]) {
        let found: Vec<(usize, &str)> =
            found.iter().map(|sentence| (sentence.line, sentence.text.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_comment_is_one_text_over_its_lines() {
        let text = "//! One. Two\n//! more.\nfn f() {} // Three\n/// Four.\n\nlet x = \"// no\";";
        check(&in_rust(text), &[(1, "One."), (1, "Two more."), (3, "Three"), (4, "Four.")]);
    }

    #[test]
    fn items_cells_and_headings_begin_sentences_and_code_does_not() {
        let text = "# Head\nOne\n- **Two** is\n  long. Three?\n```\nx\n```\n| a | b |\n1. Four";
        check(
            &in_markdown(text),
            &[
                (1, "Head"),
                (2, "One"),
                (3, "Two** is long."),
                (4, "Three?"),
                (8, "a"),
                (8, "b"),
                (9, "Four"),
            ],
        );
    }

    #[test]
    fn a_question_ends_in_its_mark() {
        let questions: Vec<bool> =
            in_markdown("Is it? Is it \"so?\" It is.").iter().map(Sentence::is_question).collect();
        assert_eq!(questions, [true, true, false]);
    }
}
