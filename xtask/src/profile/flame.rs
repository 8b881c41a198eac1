//! A flame graph of folded stacks: one SVG without scripts, a tooltip for each function.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A function within its callers.
#[derive(Debug, Default)]
struct Node {
    value: u64,
    calls: BTreeMap<String, Node>,
}

impl Node {
    /// Reads lines `outermost;…;innermost value`.
    fn of_folded(folded: &str) -> Self {
        let mut root = Self::default();
        for line in folded.lines() {
            let Some((stack, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<u64>() else { continue };
            root.value += value;
            let mut node = &mut root;
            for function in stack.split(';') {
                node = node.calls.entry(function.to_owned()).or_default();
                node.value += value;
            }
        }
        root
    }

    fn depth(&self) -> usize {
        self.calls.values().map(|call| call.depth() + 1).max().unwrap_or(0)
    }
}

/// Draws `folded`; callers are below what they call, and widths are values. `unit` is that of a value.
pub(super) fn draw(folded: &str, title: &str, unit: &str) -> String {
    let root = Node::of_folded(folded);
    let height = (root.depth() + 1) as f64 * ROW + HEAD;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"monospace\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{MARGIN}\" y=\"18\" font-size=\"14\">{}</text>\n",
        escape(title)
    );
    let mut drawing = Drawing { svg: &mut svg, total: root.value, height, unit };
    drawing.node(&root, "all", MARGIN, 0);
    svg.push_str("</svg>\n");
    svg
}

struct Drawing<'a> {
    svg: &'a mut String,
    total: u64,
    height: f64,
    unit: &'a str,
}

impl Drawing<'_> {
    fn node(&mut self, node: &Node, function: &str, x: f64, level: usize) {
        let scale = (WIDTH - 2.0 * MARGIN) / self.total.max(1) as f64;
        let width = node.value as f64 * scale;
        if width < LEAST {
            return;
        }
        let y = self.height - (level + 1) as f64 * ROW;
        let share = node.value as f64 * 100.0 / self.total.max(1) as f64;
        let name = escape(function);
        let _infallible = write!(
            self.svg,
            "<g><title>{name}: {} {} ({share:.1} %)</title>\
             <rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{}\" rx=\"1\"/>",
            node.value,
            self.unit,
            ROW - 1.0,
            color(function),
        );
        let letters = ((width - 6.0) / LETTER) as usize;
        if letters >= 3 {
            let label: String = function.chars().take(letters).collect();
            let label = escape(&label);
            let _infallible =
                write!(self.svg, "<text x=\"{:.1}\" y=\"{:.1}\">{label}</text>", x + 3.0, y + 12.0);
        }
        self.svg.push_str("</g>\n");
        let mut x = x;
        for (function, call) in &node.calls {
            self.node(call, function, x, level + 1);
            x += call.value as f64 * scale;
        }
    }
}

/// Blue for functions of this workspace, warm colors for others; the same for each function.
fn color(function: &str) -> String {
    let hash = function.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31) + u32::from(byte));
    let (hue, lightness) = match function.contains("spanwise") {
        true => (200 + hash % 30, 68 + hash / 64 % 12),
        false => (20 + hash % 35, 66 + hash / 64 % 12),
    };
    format!("hsl({hue} 75% {lightness}%)")
}

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

const WIDTH: f64 = 1400.0;
const MARGIN: f64 = 10.0;
const ROW: f64 = 17.0;
/// Above the highest function.
const HEAD: f64 = 32.0;
const LETTER: f64 = 6.7;
/// Narrower functions are left out.
const LEAST: f64 = 0.4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_the_shares_of_a_function_with_all_it_calls() {
        let svg = draw("main;a;b 30\nmain;a 10\nmain;<T as C>::d 60\nbroken\n", "t & u", "ms");
        assert!(svg.contains("<title>all: 100 ms (100.0 %)</title>"), "{svg}");
        assert!(svg.contains("<title>a: 40 ms (40.0 %)</title>"), "{svg}");
        assert!(svg.contains("<title>b: 30 ms (30.0 %)</title>"), "{svg}");
        assert!(svg.contains("<title>&lt;T as C&gt;::d: 60 ms (60.0 %)</title>"), "{svg}");
        assert!(svg.contains("width=\"552.0\"") && svg.contains("t &amp; u"), "{svg}");
        assert!(!svg.contains("<script") && svg.ends_with("</svg>\n"));
        assert_eq!(svg.matches("<g>").count(), svg.matches("</g>").count());
    }

    #[test]
    fn an_empty_profile_is_a_drawing_too() {
        assert!(draw("", "nothing", "bytes").ends_with("</svg>\n"));
    }
}
