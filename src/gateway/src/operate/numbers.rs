//! Our own numbers, and where each leads.

use offhook_store::{LeadsTo, OwnedNumber, PinHash};
use offhook_types::{AccountId, Number};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use super::{Changed, Desk, Error};
use crate::pin;

/// One of our numbers, to be added or changed: it leads to a user or to a room.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PutNumber {
    /// Who owns it and pays for it: an account's id, or its user's number. Left out, the user's account.
    #[serde(default)]
    pub account: Option<String>,
    /// Rings the devices of this user: an id or a number.
    #[serde(default)]
    pub user: Option<String>,
    /// Leads into this room.
    #[serde(default)]
    pub room: Option<String>,
    /// What callers have to press to get into the room: 4 to 12 digits. Left out, it stays as it is;
    /// empty, there is none.
    #[serde(default)]
    pub pin: Option<String>,
}

/// One of our numbers. Its PIN is never shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NumberView {
    /// Which.
    pub number: String,
    /// Who owns it and pays for it.
    pub account: String,
    /// Whose devices it rings.
    pub user: Option<String>,
    /// Into which room it leads.
    pub room: Option<String>,
    /// Whether callers need a PIN.
    pub pin: bool,
}

impl Desk {
    /// Every number, in order.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn numbers(&self) -> Result<Vec<NumberView>, Error> {
        Ok(self.store.owned_numbers().await?.iter().map(show).collect())
    }

    /// Add a number, or change where it leads.
    ///
    /// # Errors
    /// Which field is wrong.
    pub async fn put_number(&self, number: &str, put: PutNumber) -> Result<NumberView, Error> {
        let number = read(number)?;
        let (leads_to, owner) = match (&put.user, &put.room) {
            (Some(user), None) => {
                if put.pin.as_deref().is_some_and(|pin| !pin.is_empty()) {
                    return Err(Error::field("pin", "only rooms have one"));
                }
                let user = self.user(user, "user").await?;
                let owner = self.account_of_user(&user).await?.id;
                (LeadsTo::User(user.id), Some(owner))
            }
            (None, Some(room)) => (self.room(&number, room, put.pin).await?, None),
            _ => return Err(Error::field("user", "name either a user or a room")),
        };
        let account = match (&put.account, owner) {
            (Some(account), _) => self.find_account(account).await?.id,
            (None, Some(owner)) => owner,
            (None, None) => {
                return Err(Error::field("account", "say who pays for the room's number"));
            }
        };
        let owned = OwnedNumber { number, account, leads_to };
        self.store.put_owned_number(&owned).await?;
        self.tell(Changed::Tariff).await;
        Ok(show(&owned))
    }

    /// Give a number up.
    ///
    /// # Errors
    /// It is not ours.
    pub async fn remove_number(&self, number: &str) -> Result<(), Error> {
        if !self.store.remove_owned_number(&read(number)?).await? {
            return Err(Error::missing("number", number));
        }
        self.tell(Changed::Tariff).await;
        Ok(())
    }

    async fn room(
        &self,
        number: &Number,
        room: &str,
        pin: Option<String>,
    ) -> Result<LeadsTo, Error> {
        if room.is_empty() || room.len() > LONGEST_ROOM {
            return Err(Error::field("room", "1 to 128 characters"));
        }
        let pin = match pin {
            Some(pin) if pin.is_empty() => None,
            Some(pin) => Some(hashed(pin).await?),
            None => match self.store.owned_number(number).await?.map(|owned| owned.leads_to) {
                Some(LeadsTo::Room { pin, .. }) => pin,
                _ => None,
            },
        };
        Ok(LeadsTo::Room { name: room.into(), pin })
    }
}

/// It takes a twentieth of a second: not on a thread that others wait for.
async fn hashed(pin: String) -> Result<PinHash, Error> {
    let mut salt = [0; 16];
    let no_salt = |_| Error::field("pin", "the system has no randomness to hash it with");
    aws_lc_rs::rand::fill(&mut salt).map_err(no_salt)?;
    match spawn_blocking(move || pin::hash(&pin, salt)).await {
        Ok(hashed) => hashed.map_err(|bad| Error::field("pin", bad)),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

const LONGEST_ROOM: usize = 128;

fn read(number: &str) -> Result<Number, Error> {
    let why = "write it in E.164, such as +4930901820";
    number.parse().map_err(|_| Error::field("number", why))
}

fn show(owned: &OwnedNumber) -> NumberView {
    let account: AccountId = owned.account;
    let (user, room, pin) = match &owned.leads_to {
        LeadsTo::User(user) => (Some(user.to_string()), None, false),
        LeadsTo::Room { name, pin } => (None, Some(name.clone()), pin.is_some()),
    };
    let (number, account) = (owned.number.as_str().into(), account.to_string());
    NumberView { number, account, user, room, pin }
}
