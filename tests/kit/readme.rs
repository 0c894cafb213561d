//! The coverage table of the README.

use std::collections::{BTreeMap, BTreeSet};

/// One row of the table.
#[derive(Debug)]
pub struct Row {
    pub ops: BTreeSet<&'static str>,
    pub client: bool,
    pub server: bool,
    pub tested: String,
}

/// The rows by group, command and name. The last one, for the groups of other vendors, is left out.
pub fn table() -> BTreeMap<(u16, u8, &'static str), Row> {
    let section =
        include_str!("../../README.md").split("\n## ").find(|section| section.starts_with("What is covered")).unwrap();
    let yes = |cell: &str| match cell {
        "yes" => true,
        "no" => false,
        other => panic!("{other}"),
    };
    let row = |line: &'static str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [group, command, name, ops, client, server, tested] = cells[..] else { panic!("{line}") };
        let key = (group.split(' ').next().unwrap().parse().unwrap(), command.parse().unwrap(), name);
        let ops = ops.split(", ").collect();
        (key, Row { ops, client: yes(client), server: yes(server), tested: tested.to_string() })
    };
    let rows = section.lines().skip_while(|line| !line.starts_with("| group")).skip(2);
    let rows: Vec<_> = rows.take_while(|line| !line.starts_with("| 64 and up")).map(row).collect();
    let count = rows.len();
    let table = BTreeMap::from_iter(rows);
    assert_eq!(table.len(), count, "a row comes twice");
    table
}
