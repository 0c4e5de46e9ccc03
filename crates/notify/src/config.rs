//! What the environment of the function says.

use std::{fmt, str::FromStr};

/// The part of the app that one function plays; the template's `Handler` names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// `$connect`: remembers the connection.
    Connect,
    /// `$disconnect`: forgets it.
    Disconnect,
    /// Replaces the list of devices that a connection follows.
    SetNotifyList,
    /// `$default`: says what is wrong with a message that no route takes.
    Default,
    /// Takes a device's update from a topic rule and pushes it.
    NotifyParameter,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 5] =
        [Role::Connect, Role::Disconnect, Role::SetNotifyList, Role::Default, Role::NotifyParameter];

    /// The name in the template.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Connect => "connect",
            Role::Disconnect => "disconnect",
            Role::SetNotifyList => "set_notify_list",
            Role::Default => "default",
            Role::NotifyParameter => "notify_parameter",
        }
    }
}

impl FromStr for Role {
    type Err = ();
    fn from_str(name: &str) -> Result<Self, ()> {
        Role::ALL.into_iter().find(|role| role.as_str() == name).ok_or(())
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one function is, and what it works on: each role is asked only for what it uses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Config {
    /// The role [`Role::Connect`].
    Connect {
        /// From `TABLE_NAME`.
        table_name: String,
    },
    /// The role [`Role::Disconnect`].
    Disconnect {
        /// From `TABLE_NAME`.
        table_name: String,
    },
    /// The role [`Role::SetNotifyList`].
    SetNotifyList(Backends),
    /// The role [`Role::Default`].
    Default,
    /// The role [`Role::NotifyParameter`].
    NotifyParameter(Backends),
}

/// What a role works on that reaches clients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Backends {
    /// From `TABLE_NAME`.
    pub table_name: String,
    /// From `MANAGEMENT_ENDPOINT`: base address of the management API, stage included.
    pub management_endpoint: String,
}

/// Why the environment is not that of a function of this app.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A variable that the role needs is not set.
    #[error("{variable} is not set; {remedy}")]
    Missing {
        /// The variable.
        variable: &'static str,
        /// Where it comes from.
        remedy: &'static str,
    },
    /// `_HANDLER` names no role.
    #[error(
        "_HANDLER is {found:?}, which is no role of this app; set the function's Handler to one of {}",
        roles()
    )]
    UnknownRole {
        /// What it names.
        found: String,
    },
}

impl Config {
    /// Reads the configuration through `lookup`; an empty variable counts as unset.
    ///
    /// # Errors
    /// [`ConfigError`] names the first variable that does not fit.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let need = |variable, remedy| {
            lookup(variable)
                .filter(|value| !value.is_empty())
                .ok_or(ConfigError::Missing { variable, remedy })
        };
        let name = need(
            "_HANDLER",
            "the platform sets it to the function's Handler, so start this program with `dunlin up`",
        )?;
        let role = name.parse().map_err(|()| ConfigError::UnknownRole { found: name })?;
        let table_name = || need("TABLE_NAME", "give the function the name of its table in the template");
        let remedy =
            "give the function the base address of the management API, stage included, in the template";
        let backends = || {
            Ok(Backends {
                table_name: table_name()?,
                management_endpoint: need("MANAGEMENT_ENDPOINT", remedy)?,
            })
        };
        Ok(match role {
            Role::Connect => Config::Connect { table_name: table_name()? },
            Role::Disconnect => Config::Disconnect { table_name: table_name()? },
            Role::SetNotifyList => Config::SetNotifyList(backends()?),
            Role::Default => Config::Default,
            Role::NotifyParameter => Config::NotifyParameter(backends()?),
        })
    }
}

fn roles() -> String {
    Role::ALL.map(Role::as_str).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backends() -> Backends {
        Backends { table_name: "T".to_owned(), management_endpoint: "http://127.0.0.1:3001/dev".to_owned() }
    }

    #[track_caller]
    fn check(variables: &[(&str, &str)], expected: Result<Config, &str>) {
        let lookup =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let found = Config::from_lookup(lookup).map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    #[test]
    fn each_role_needs_what_it_uses() {
        let (table, endpoint) = (("TABLE_NAME", "T"), ("MANAGEMENT_ENDPOINT", "http://127.0.0.1:3001/dev"));
        check(&[("_HANDLER", "default")], Ok(Config::Default));
        check(&[("_HANDLER", "connect"), table], Ok(Config::Connect { table_name: "T".to_owned() }));
        check(&[("_HANDLER", "disconnect"), table], Ok(Config::Disconnect { table_name: "T".to_owned() }));
        check(&[("_HANDLER", "set_notify_list"), table, endpoint], Ok(Config::SetNotifyList(backends())));
        check(&[("_HANDLER", "notify_parameter"), table, endpoint], Ok(Config::NotifyParameter(backends())));
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_remedy() {
        check(
            &[],
            Err(
                "_HANDLER is not set; the platform sets it to the function's Handler, so start this program with `dunlin up`",
            ),
        );
        check(
            &[("_HANDLER", "conect")],
            Err(
                "_HANDLER is \"conect\", which is no role of this app; set the function's Handler to one of \
                 connect, disconnect, set_notify_list, default, notify_parameter",
            ),
        );
        check(
            &[("_HANDLER", "connect"), ("TABLE_NAME", "")],
            Err("TABLE_NAME is not set; give the function the name of its table in the template"),
        );
        check(
            &[("_HANDLER", "set_notify_list"), ("TABLE_NAME", "T")],
            Err(
                "MANAGEMENT_ENDPOINT is not set; give the function the base address of the management API, stage included, \
                 in the template",
            ),
        );
    }
}
