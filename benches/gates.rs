//! Prints the table of `benches/gates/gates.py`: instructions of each case beside other crates.

use std::path::Path;
use std::process::{Command, exit};

fn main() {
    // As a test of itself there is nothing to run: the step `gates` of `.ci/run` runs all of it.
    if std::env::args().any(|word| word == "--test") {
        return;
    }
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/gates/gates.py");
    if !program.exists() {
        return println!("the gates are counted in a checkout only");
    }
    match Command::new("python3").arg(program).status() {
        Ok(status) => exit(status.code().unwrap_or(1)),
        Err(error) => {
            println!("python3 does not run: {error}");
            exit(1);
        }
    }
}
