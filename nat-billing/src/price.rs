//! Which Stripe price stands for which plan.

use nat_core::{PlanId, plan::PlanCatalogue};

/// Key in the metadata of a price or a product that names its plan; for prices that no setting knows.
pub const PLAN_METADATA: &str = "nat_plan";

/// The prices of the plans, as configured. The first price of a plan is the one that is sold; those behind it were
/// sold earlier and keep their plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceBook {
    prices: Vec<(String, PlanId)>,
}

/// Why a price cannot be sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsold {
    /// No plan has this price and it is no alias.
    UnknownPrice,
    /// The plan exists, but no price is configured for it.
    NoPrice(PlanId),
}

impl PriceBook {
    /// Adds the price ids of `plan_id`, the one that is sold first. `Err` names the price that another plan has
    /// already.
    pub fn insert(&mut self, plan_id: &PlanId, price_ids: &[&str]) -> Result<(), String> {
        for price_id in price_ids {
            match self.plan_of(price_id) {
                Some(other) if other != plan_id => return Err((*price_id).to_owned()),
                Some(_) => {}
                None => self.prices.push(((*price_id).to_owned(), plan_id.clone())),
            }
        }
        Ok(())
    }

    /// The plan of a price of Stripe's.
    #[must_use]
    pub fn plan_of(&self, price_id: &str) -> Option<&PlanId> {
        self.prices.iter().find(|(id, _)| id == price_id).map(|(_, plan)| plan)
    }

    /// The price that is sold for a plan.
    #[must_use]
    pub fn price_of(&self, plan_id: &PlanId) -> Option<&str> {
        self.prices.iter().find(|(_, plan)| plan == plan_id).map(|(id, _)| id.as_str())
    }

    /// What a client may name: a price of Stripe's, or `price_<plan>_monthly`, the published alias.
    pub fn sold(&self, price_id: &str, plans: &PlanCatalogue) -> Result<(PlanId, String), Unsold> {
        if let Some(plan) = self.plan_of(price_id) {
            return Ok((plan.clone(), price_id.to_owned()));
        }
        let alias = price_id.strip_prefix("price_").and_then(|rest| rest.strip_suffix("_monthly"));
        let plan = alias.and_then(|name| plans.find(&PlanId::from(name))).filter(|plan| !plans.is_free(&plan.id));
        let plan = plan.ok_or(Unsold::UnknownPrice)?;
        let price = self.price_of(&plan.id).ok_or_else(|| Unsold::NoPrice(plan.id.clone()))?;
        Ok((plan.id.clone(), price.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_and_aliases_name_their_plan() {
        let plans = PlanCatalogue::published();
        let mut book = PriceBook::default();
        book.insert(&"pro".into(), &["price_new", "price_old"]).unwrap();
        assert_eq!(book.insert(&"team".into(), &["price_old"]), Err("price_old".to_owned()));
        let check = |price: &str, wanted: Result<(&str, &str), Unsold>| {
            let wanted = wanted.map(|(plan, price)| (PlanId::from(plan), price.to_owned()));
            assert_eq!(book.sold(price, &plans), wanted, "{price}");
        };
        check("price_new", Ok(("pro", "price_new")));
        check("price_old", Ok(("pro", "price_old")));
        check("price_pro_monthly", Ok(("pro", "price_new")));
        check("price_team_monthly", Err(Unsold::NoPrice("team".into())));
        for unknown in ["", "price_", "price_gold_monthly", "price_free_monthly", "pro", "PRICE_NEW"] {
            check(unknown, Err(Unsold::UnknownPrice));
        }
        assert_eq!(book.price_of(&"pro".into()), Some("price_new"));
        assert_eq!(book.plan_of("price_other"), None);
    }
}
