//! Names and numbers of users and groups.

use crate::channel::lock;
use std::collections::HashMap;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// What is known of users and groups: /etc/passwd and /etc/group, and what `getent` says where they say nothing.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    users: Mutex<HashMap<u32, String>>,
    groups: Mutex<HashMap<u32, String>>,
}

impl Accounts {
    /// Returns the name of user `uid`, or the number where it has none.
    pub(crate) fn user(&self, uid: u32) -> String {
        name(&self.users, "passwd", uid)
    }

    /// Returns the name of group `gid`, or the number where it has none.
    pub(crate) fn group(&self, gid: u32) -> String {
        name(&self.groups, "group", gid)
    }
}

fn name(known: &Mutex<HashMap<u32, String>>, table: &str, number: u32) -> String {
    if let Some(name) = lock(known).get(&number) {
        return name.clone();
    }
    let text = read_table(table);
    let name = name_in(&text, number)
        .or_else(|| name_in(&getent(table, number), number))
        .unwrap_or_else(|| number.to_string());
    lock(known).insert(number, name.clone());
    name
}

fn read_table(table: &str) -> String {
    // Without the table, numbers have no names.
    let bytes = fs::read(format!("/etc/{table}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn name_in(text: &str, number: u32) -> Option<String> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let found = fields.nth(1)?.parse::<u32>().ok()?;
        (found == number).then(|| name.to_owned())
    })
}

fn getent(table: &str, number: u32) -> String {
    let output = Command::new("getent")
        .args([table, &number.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    // A machine without getent knows no other names.
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

/// Returns the numbers of the groups that /etc/group puts `user` in.
pub(crate) fn groups_of(user: &str) -> Vec<u32> {
    let text = read_table("group");
    let listed = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let number = fields.nth(2)?.parse::<u32>().ok()?;
        let mut members = fields.next()?.split(',');
        members.any(|member| member == user).then_some(number)
    });
    listed.collect()
}

/// Returns the home and shell that /etc/passwd has for user `uid`.
pub(crate) fn home_and_shell(uid: u32) -> Option<(String, String)> {
    let text = read_table("passwd");
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let number = fields.get(2)?.parse::<u32>().ok()?;
        (number == uid).then(|| {
            let field = |at: usize| fields.get(at).copied().unwrap_or_default().to_owned();
            (field(5), field(6))
        })
    })
}
