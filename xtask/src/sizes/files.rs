//! Lines of Rust files.

use crate::source_tree::SourceTree;

const MAX_LINES: usize = 450;
const MAX_MEDIAN_LINES: usize = 150;

/// Every Rust file that is too long, and the median if it is.
pub fn problems(tree: &SourceTree) -> Vec<String> {
    let rust = tree.files().filter(|(path, _)| path.ends_with(".rs"));
    let lines: Vec<(&str, usize)> = rust.map(|(path, text)| (path, text.lines().count())).collect();
    let long = |&&(_, lines): &&(&str, usize)| lines > MAX_LINES;
    let mut problems: Vec<String> = lines
        .iter()
        .filter(long)
        .map(|(path, lines)| format!("{path}: {lines} lines, at most {MAX_LINES}"))
        .collect();
    let median = median(lines.iter().filter(|(path, _)| !is_test(path)).map(|&(_, lines)| lines));
    println!("{} Rust files, median {median} lines without tests", lines.len());
    if median > MAX_MEDIAN_LINES {
        problems.push(format!("median of all files: {median} lines, at most {MAX_MEDIAN_LINES}"));
    }
    problems
}

fn is_test(path: &str) -> bool {
    path.split('/').any(|folder| folder == "tests")
}

/// The upper one of two in the middle; 0 of nothing.
fn median(lines: impl Iterator<Item = usize>) -> usize {
    let mut lines: Vec<usize> = lines.collect();
    lines.sort_unstable();
    lines.get(lines.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, usize)], expected: &[&str]) {
        let texts: Vec<String> = files.iter().map(|&(_, lines)| "x\n".repeat(lines)).collect();
        let files: Vec<(&str, &str)> =
            files.iter().zip(&texts).map(|(&(path, _), text)| (path, text.as_str())).collect();
        assert_eq!(problems(&SourceTree::of(&files)), expected);
    }

    #[test]
    fn long_files_are_reported_and_tests_do_not_count_for_the_median() {
        check(&[("a.rs", 450), ("b.rs", 150), ("c.rs", 1), ("d.md", 999)], &[]);
        check(
            &[("a.rs", 1), ("x/tests/b.rs", 451), ("x/tests/c.rs", 300)],
            &["x/tests/b.rs: 451 lines, at most 450"],
        );
        check(&[("a.rs", 151), ("b.rs", 151)], &["median of all files: 151 lines, at most 150"]);
    }
}
