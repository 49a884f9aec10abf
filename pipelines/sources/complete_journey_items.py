"""The catalog of Complete Journey: which items may be recommended, and a title for each."""

NOT_DEPARTMENTS = (
    "FUEL",
    "COUPON",
    "MISCELLANEOUS",
    "CNTRL/STORE SUP",
    "CHARITABLE CONT",
    "PROD-WHS SALES",
    "POSTAL CENTER",
    "PHOTO & VIDEO",
    "GM MERCH EXP",
)
NOT_CATEGORIES = (
    "COUPON/MISC ITEMS",
    "COUPONS/STORE & MFG",
    "COUPON",
    "FUEL",
    "BOTTLE DEPOSITS",
    "TICKETS",
    "PHARMACY",
    "PROD SUPPLIES",
    "MEAT SUPPLIES",
    "DELI SUPPLIES",
)
NOT_TYPES = "gasoline|coupon|gift card|deposit|misc sales trans"

# The catalog writes in capitals and abbreviates; these are the abbreviations of the items sold most.
WORDS = {
    "frzn": "frozen",
    "sft drnk": "soft drink",
    "mlt-pk": "multi-pack",
    "btl": "bottle",
    "carb": "carbonated",
    "incl": "including",
    "flvr": "flavored",
    "flvrd": "flavored",
    "dnr": "dinner",
    "dnrs": "dinners",
    "pnch": "punch",
    "oj": "orange juice",
    "subs": "substitutes",
    "ss": "single-serve",
    "rts": "ready-to-serve",
    "pwdr": "powder",
    "crystl": "crystal",
    "drnk": "drink",
    "mx": "mix",
    "grnd": "ground",
    "ptty": "patty",
    "prcut": "precut",
    "presl": "presliced",
    "veg": "vegetable",
    "msc": "miscellaneous",
    "misc": "miscellaneous",
    "beeralemalt liquors": "beer, ale and malt liquors",
    "snks": "snacks",
    "refrig": "refrigerated",
    "jce": "juice",
    "conc": "concentrate",
    "pk": "pack",
    "lrg": "large",
    "chsfd": "cheese food",
    "w": "with",
    "fs": "French style",
    "whl": "whole",
}

_QUOTED = {
    name: ", ".join(f"'{value}'" for value in values)
    for name, values in (("departments", NOT_DEPARTMENTS), ("categories", NOT_CATEGORIES))
}

RECOMMENDABLE = f"""not (
    department in ({_QUOTED["departments"]})
    or coalesce(product_category in ({_QUOTED["categories"]}), false)
    or coalesce(regexp_matches(lower(product_type), '{NOT_TYPES}'), false)
    or (product_category is null and product_type is null)
)"""


def _name_sql() -> str:
    """The type (or category, or department) in sentence case with abbreviations written out."""
    name = "lower(coalesce(product_type, product_category, department))"
    name = f"regexp_replace({name}, '\\s*\\([^)]*$', '')"  # a parenthesis that the catalog cut off
    name = f"regexp_replace({name}, '\\s*([:/&])\\s*', '\\1 ', 'g')"
    name = f"regexp_replace({name}, '([/&]) ', ' \\1 ', 'g')"
    for short, long in WORDS.items():
        name = f"regexp_replace({name}, '\\b{short}\\b', '{long}', 'g')"
    name = f"trim(regexp_replace({name}, '\\s+', ' ', 'g'), ' -:/&')"
    return f"upper({name}[1]) || {name}[2:]"


TITLE = f"""concat_ws(', ',
    {_name_sql()},
    case lower(brand) when 'private' then 'store brand' else lower(brand) || ' brand' end,
    lower(package_size))"""

ITEMS_QUERY = f"""
select
    cast(product_id as varchar) as item_id,
    {TITLE} as title,
    department,
    product_category as category,
    product_type as type,
    brand,
    package_size,
    cast(manufacturer_id as varchar) as manufacturer_id,
    {RECOMMENDABLE} as recommendable
from products
order by item_id
"""
