//! Whom servers run as.

/// An account of the system without rights of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

/// Accounts that are there to have no rights, in the order in which they are asked for.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

impl Account {
    /// For root the account to change to, as PostgreSQL refuses to run as root; for everybody
    /// else `None`: they run servers as themselves.
    pub(crate) fn to_change_to() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self::unprivileged(&passwd)
    }

    fn unprivileged(passwd: &str) -> Option<Self> {
        UNPRIVILEGED.iter().find_map(|name| {
            let mut lines = passwd.lines().map(|line| line.split(':'));
            let mut fields = lines.find_map(|mut fields| {
                let found = fields.next() == Some(name);
                found.then_some(fields)
            })?;
            Some(Self {
                user: fields.nth(1)?.parse().ok()?,
                group: fields.next()?.parse().ok()?,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_postgres_is_taken_before_nobody() {
        let nobody = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533::/:/bin/false\n";
        let both = format!("{nobody}postgres:x:101:104:PostgreSQL,,,:/var/lib:/bin/sh\n");

        let account = |passwd| Account::unprivileged(passwd).map(|a| (a.user, a.group));
        assert_eq!(account(&both), Some((101, 104)));
        assert_eq!(account(nobody), Some((65534, 65533)));
        assert_eq!(account("root:x:0:0:root:/root:/bin/sh\n"), None);
    }
}
