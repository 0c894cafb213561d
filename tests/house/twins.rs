//! `blocking.rs` and `asynch.rs` are one driver, blocking and async: nothing else may differ.

/// The driver without its module docs and imports, which are the colour's own.
fn body(source: &str) -> &str {
    source.split_once("crate::line::driver!();").unwrap().1
}

/// The words of a text, without what makes it async: the keywords, and what is written about
/// cancellation.
fn words(source: &str) -> Vec<String> {
    let mut kept = Vec::new();
    let mut cancellation = false;
    for line in body(source).lines().map(str::trim) {
        cancellation = match line {
            "/// # Cancellation" => true,
            line if line.starts_with("/// # ") || !line.starts_with("///") => false,
            _ => cancellation,
        };
        // Stack is the blocking driver's concern: a future has its own memory. And an async
        // driver that looks at the clock lets other tasks run. These words mark both.
        let own =
            line.starts_with("#[inline(never)]") || line == "yield_now().await;" || line.starts_with("// Other tasks");
        // The empty line in front of a section goes with it.
        if !cancellation && !own && line != "///" {
            kept.push(line.replace("async fn", "fn").replace(".await", ""));
        }
    }
    kept.join(" ").split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_two_drivers_differ_in_nothing_but_their_colour() {
    let blocking = words(include_str!("../../src/blocking.rs"));
    let asynch = words(include_str!("../../src/asynch.rs"));
    for (at, (one, other)) in blocking.iter().zip(&asynch).enumerate() {
        let around = blocking[at.saturating_sub(12)..].iter().take(24).cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(one, other, "near: {around}");
    }
    assert_eq!(blocking.len(), asynch.len());
    assert!(blocking.len() > 700, "the whole driver was compared: {}", blocking.len());
}

#[test]
fn a_driver_is_a_pump_of_at_most_150_lines() {
    for source in [include_str!("../../src/blocking.rs"), include_str!("../../src/asynch.rs")] {
        let code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
        let lines = source.lines().filter(code).count();
        assert!((100..=150).contains(&lines), "{lines}");
    }
}

#[test]
fn every_async_function_says_what_dropping_it_does() {
    let source = body(include_str!("../../src/asynch.rs"));
    let mut documented = false;
    let mut functions = 0;
    for line in source.lines().map(str::trim) {
        match line {
            "/// # Cancellation" => documented = true,
            line if line.starts_with("pub async fn") => {
                assert!(documented, "{line}");
                functions += 1;
            }
            line if line.starts_with('}') => documented = false,
            _ => {}
        }
    }
    assert_eq!(functions, 5);
}
