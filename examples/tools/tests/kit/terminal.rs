//! Terminals, and what a person sees on them.

use std::fs::File;

/// A terminal: the user's end, and the program's with its path.
pub fn terminal() -> (File, File, String) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&user).unwrap();
    unlockpt(&user).unwrap();
    let path = ptsname(&user, Vec::new()).unwrap().into_string().unwrap();
    let program = File::options().read(true).write(true).open(&path).unwrap();
    let mut settings = rustix::termios::tcgetattr(&program).unwrap();
    settings.make_raw();
    rustix::termios::tcsetattr(&program, rustix::termios::OptionalActions::Now, &settings).unwrap();
    (File::from(user), program, path)
}

/// The number of columns of a line, without what moves the cursor.
pub fn visible(line: &str) -> usize {
    let (mut count, mut escaped) = (0, false);
    for c in line.chars() {
        match c {
            '\x1b' => escaped = true,
            _ if escaped => escaped = !c.is_ascii_alphabetic(),
            '\r' | '\n' => {}
            _ => count += 1,
        }
    }
    count
}
