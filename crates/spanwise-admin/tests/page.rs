//! The page and the headers of all answers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod common;

use common::{endpoint, get, provider};

fn header<'h>(head: &'h str, name: &str) -> &'h str {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(it, _)| *it == name).map(|(_, value)| value).unwrap_or_default()
}

#[test]
fn the_page_is_complete_and_its_policy_allows_its_own_script_alone() {
    let spanwise = provider();
    let admin = endpoint(&spanwise);
    let (head, body) = get(admin.local_addr(), "/debug/spanwise", "");
    assert_eq!(header(&head, "Content-Type"), "text/html; charset=utf-8");
    let policy = header(&head, "Content-Security-Policy");
    let nonce = policy.split("script-src 'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    for part in [
        "default-src 'none'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "trusted-types 'none'",
    ] {
        assert!(policy.split("; ").any(|it| it == part), "{part} in {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(body.matches("<script").count(), 1);
    assert_eq!(body.matches(&format!("<script nonce=\"{nonce}\">")).count(), 1);
    assert_eq!(body.matches(&format!("<style nonce=\"{nonce}\">")).count(), 1);
    assert!(!body.contains("{{") && body.ends_with("</html>\n"), "{}", body.len());
    let sources = ["src=", "url(", "@import", "//cdn", "https://"];
    assert!(sources.iter().all(|source| !body.contains(source)), "an external asset");
    assert!(body.len() < 64 << 10, "{}", body.len());
    // Each answer has another nonce.
    let (other, _) = get(admin.local_addr(), "/debug/spanwise", "");
    assert_ne!(header(&other, "Content-Security-Policy"), policy);
}

#[test]
fn the_root_leads_to_the_page() {
    let spanwise = provider();
    let admin = endpoint(&spanwise);
    let (head, _) = get(admin.local_addr(), "/", "");
    assert!(head.starts_with("HTTP/1.1 302 Found\r\n"), "{head}");
    assert_eq!(header(&head, "Location"), "/debug/spanwise");
}

#[test]
fn no_answer_is_stored_guessed_or_read_by_another_site() {
    let spanwise = provider();
    let admin = endpoint(&spanwise);
    for path in [
        "/metrics",
        "/debug/spanwise",
        "/debug/spanwise.json",
        "/debug/attributes.json",
        "/nothing",
    ] {
        let (head, _) = get(admin.local_addr(), path, "Origin: https://attacker.example\r\n");
        assert_eq!(header(&head, "Cache-Control"), "no-store", "{path}");
        assert_eq!(header(&head, "X-Content-Type-Options"), "nosniff", "{path}");
        assert_eq!(header(&head, "Cross-Origin-Resource-Policy"), "same-origin", "{path}");
        assert!(!head.contains("Access-Control-Allow-Origin"), "{path}: {head}");
    }
}

#[test]
fn an_unknown_path_gets_the_list_of_paths() {
    let spanwise = provider();
    let admin = endpoint(&spanwise);
    let (head, body) = get(admin.local_addr(), "/metrics/", "");
    assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
    assert!(body.contains("/metrics") && body.contains("/debug/spanwise.json"), "{body}");
    assert!(!get(admin.local_addr(), "/<script>", "").1.contains("script"));
}
