//! What the system says of a running process: memory, descriptors, threads, wake-ups.

use std::fs;

/// A number of `/proc/PID/status`, as `VmHWM` (in KiB), `Threads` or `voluntary_ctxt_switches`.
pub fn status(pid: u32, key: &str) -> u64 {
    number_of(&fs::read_to_string(format!("/proc/{pid}/status")).unwrap(), key)
}

/// A number of `/proc/PID/io`, as `rchar`.
pub fn io(pid: u32, key: &str) -> u64 {
    number_of(&fs::read_to_string(format!("/proc/{pid}/io")).unwrap(), key)
}

fn number_of(text: &str, key: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let value = value.unwrap_or_else(|| panic!("no {key} in {text}"));
    value.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What each open descriptor leads to.
pub fn descriptors(pid: u32) -> Vec<String> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    // One may be closed while the list is read.
    open.filter_map(|fd| fs::read_link(fd.path()).ok()).map(|path| path.display().to_string()).collect()
}

/// How often each thread has gone to sleep so far, by its name.
pub fn wakeups(pid: u32) -> Vec<(String, u64)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let mut threads: Vec<_> = tasks
        .map(|task| {
            let read = |name: &str| fs::read_to_string(task.path().join(name)).unwrap();
            (read("comm").trim().to_owned(), number_of(&read("status"), "voluntary_ctxt_switches"))
        })
        .collect();
    threads.sort();
    threads
}

/// False where user namespaces are not allowed, which is said where nobody can miss it.
pub fn namespaces_are_allowed() -> bool {
    let tried = std::process::Command::new("unshare").args(["-Ur", "true"]).output();
    let allowed = tried.as_ref().is_ok_and(|output| output.status.success());
    if !allowed {
        eprintln!("NOT RUN: this test needs user namespaces (unshare -Ur true): {tried:?}");
    }
    allowed
}
