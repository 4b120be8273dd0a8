//! Accounts in SQLite.

use async_trait::async_trait;
use offhook_types::counters::Counted;
use offhook_types::{AccountId, Number, UserId, WallTime};
use sqlx::sqlite::SqliteRow;

use super::rows::{bits, label, optional_bits, optional_parsed, parsed, time};
use super::{Field, Sqlite, explain, signed};
use crate::{Account, AccountStatus, Accounts, Error, NewAccount};

fn read_account(row: &SqliteRow) -> Result<Account, Error> {
    Ok(Account {
        id: AccountId(bits(row, "id")?),
        user: optional_bits(row, "user_id")?.map(UserId),
        status: label(row, "status")?,
        plan: row.field("plan")?,
        country: row.field("country")?,
        currency: parsed(row, "currency")?,
        tier: optional_parsed(row, "tier")?,
        note: row.field("note")?,
        opened_at: time(row, "opened_at")?,
    })
}

const OF_USER: &str = "SELECT * FROM accounts WHERE user_id = ?";

#[async_trait]
impl Accounts for Sqlite {
    async fn account_of(
        &self,
        now: WallTime,
        user: UserId,
        new: &NewAccount,
    ) -> Result<Account, Error> {
        let known = sqlx::query(OF_USER).bind(signed(user.0)).fetch_optional(&self.readers).await;
        if let Some(row) = known.map_err(explain)? {
            return read_account(&row);
        }
        let mut tx = self.write().await?;
        // Somebody else may have opened it meanwhile; then theirs it is.
        sqlx::query(
            "INSERT INTO accounts (id, user_id, status, plan, country, currency, note, opened_at) \
             VALUES (?, ?, ?, ?, ?, ?, '', ?) ON CONFLICT (user_id) DO NOTHING",
        )
        .bind(signed(new.id.0))
        .bind(signed(user.0))
        .bind(AccountStatus::Active.label())
        .bind(&new.plan)
        .bind(&new.country)
        .bind(new.currency.as_str())
        .bind(signed(now.0))
        .execute(&mut *tx)
        .await
        .map_err(explain)?;
        sqlx::query(
            "INSERT INTO caller_ids (account_id, number, verified_at) \
             SELECT a.id, u.number, ? FROM accounts a JOIN users u ON u.id = a.user_id \
             WHERE a.user_id = ? ON CONFLICT DO NOTHING",
        )
        .bind(signed(now.0))
        .bind(signed(user.0))
        .execute(&mut *tx)
        .await
        .map_err(explain)?;
        let row = sqlx::query(OF_USER).bind(signed(user.0)).fetch_one(&mut *tx).await;
        let account = read_account(&row.map_err(explain)?)?;
        tx.commit().await.map_err(explain)?;
        Ok(account)
    }

    async fn account(&self, id: AccountId) -> Result<Option<Account>, Error> {
        let row = sqlx::query("SELECT * FROM accounts WHERE id = ?")
            .bind(signed(id.0))
            .fetch_optional(&self.readers)
            .await;
        row.map_err(explain)?.as_ref().map(read_account).transpose()
    }

    async fn accounts(&self, after: Option<AccountId>, limit: u32) -> Result<Vec<Account>, Error> {
        let rows =
            sqlx::query("SELECT * FROM accounts WHERE ?1 IS NULL OR id > ?1 ORDER BY id LIMIT ?2")
                .bind(after.map(|id| signed(id.0)))
                .bind(i64::from(limit))
                .fetch_all(&self.readers)
                .await
                .map_err(explain)?;
        rows.iter().map(read_account).collect()
    }

    async fn update_account(&self, account: &Account) -> Result<bool, Error> {
        let done = sqlx::query(
            "UPDATE accounts SET status = ?, plan = ?, country = ?, tier = ?, note = ? \
             WHERE id = ?",
        )
        .bind(account.status.label())
        .bind(&account.plan)
        .bind(&account.country)
        .bind(account.tier.map(|tier| tier.as_str()))
        .bind(&account.note)
        .bind(signed(account.id.0))
        .execute(&self.writer)
        .await
        .map_err(explain)?;
        Ok(done.rows_affected() > 0)
    }

    async fn caller_ids(&self, account: AccountId) -> Result<Vec<Number>, Error> {
        let rows =
            sqlx::query("SELECT number FROM caller_ids WHERE account_id = ? ORDER BY number")
                .bind(signed(account.0))
                .fetch_all(&self.readers)
                .await
                .map_err(explain)?;
        rows.iter().map(|row| parsed(row, "number")).collect()
    }

    async fn add_caller_id(
        &self,
        now: WallTime,
        account: AccountId,
        number: &Number,
    ) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO caller_ids (account_id, number, verified_at) VALUES (?, ?, ?) \
             ON CONFLICT DO UPDATE SET verified_at = excluded.verified_at",
        )
        .bind(signed(account.0))
        .bind(number.as_str())
        .bind(signed(now.0))
        .execute(&self.writer)
        .await
        .map_err(explain)?;
        Ok(())
    }

    async fn remove_caller_id(&self, account: AccountId, number: &Number) -> Result<bool, Error> {
        let done = sqlx::query("DELETE FROM caller_ids WHERE account_id = ? AND number = ?")
            .bind(signed(account.0))
            .bind(number.as_str())
            .execute(&self.writer)
            .await
            .map_err(explain)?;
        Ok(done.rows_affected() > 0)
    }
}
