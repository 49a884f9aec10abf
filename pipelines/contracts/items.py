"""Contract of ``items``: the catalog."""

from pipelines.contracts.batch_rules import EVERY_BATCH
from pipelines.contracts.declaration import Column, Contract

ITEMS = Contract(
    name="items",
    meaning="One item of the catalog.",
    version=1,
    key="item_id",
    sort_by=("item_id",),
    columns=(
        Column("item_id", "string", "Names the item.", "25671"),
        Column("title", "string", "What a shopper reads.", "Ice: crushed/cubed, national brand, 22 lb"),
        Column("department", "string", "Top of the catalog tree, as the shop writes it.", "GROCERY"),
        Column("category", "string", "Second level of the tree.", "FRZN ICE", nullable=True),
        Column("type", "string", "Third level of the tree.", "ICE - CRUSHED/CUBED", nullable=True),
        Column(
            "brand",
            "string",
            "Brand; Complete Journey only says National or Private.",
            "National",
            nullable=True,
        ),
        Column("package_size", "string", "Size with its unit.", "22 LB", nullable=True),
        Column("manufacturer_id", "string", "Who makes it.", "2", nullable=True),
        Column("recommendable", "bool", "Whether it may be recommended.", True),
    ),
    batch_rules=EVERY_BATCH,
    duplicates=(
        "Equal rows are counted as duplicates; rows of one batch that share an id but differ are "
        "quarantined (`item_id_conflict`). A later batch replaces an item."
    ),
    notes=(
        "**Complete Journey.** A row of `products`. There are no product names: the title is made of type, "
        "brand and package size, in readable case and with the commonest abbreviations written out. Not "
        "recommendable is what nobody wants from a list: the departments FUEL, COUPON, MISCELLANEOUS, "
        "CNTRL/STORE SUP, CHARITABLE CONT, PROD-WHS SALES, POSTAL CENTER, PHOTO & VIDEO and GM MERCH EXP; "
        "the categories COUPON/MISC ITEMS, COUPONS/STORE & MFG, COUPON, FUEL, BOTTLE DEPOSITS, TICKETS, "
        "PHARMACY and PROD, MEAT and DELI SUPPLIES; the types that name gasoline, coupons, gift cards, "
        "deposits or till corrections (MISC SALES TRANS); and items with neither category nor type. The "
        "rule is `RECOMMENDABLE` in `pipelines/sources/complete_journey_items.py`."
    ),
)
