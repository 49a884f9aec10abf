"""A few rows of each published data set, in the very format in which it is published."""

import gzip
import json
import zipfile
from pathlib import Path

UCI = """\
InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,WHITE HANGING HEART T-LIGHT HOLDER,6,12/1/2010 8:26,2.55,17850,United Kingdom
536365,71053,WHITE METAL LANTERN,6,12/1/2010 8:26,3.39,17850,United Kingdom
536365,71053,WHITE METAL LANTERN,6,12/1/2010 8:26,3.39,17850,United Kingdom
C536379,D,Discount,-1,12/1/2010 9:41,27.5,14527,United Kingdom
536414,22139,,56,12/1/2010 11:52,0,,United Kingdom
536544,21773,"DECORATIVE ROSE BATHROOM, BOTTLE",1,12/1/2010 14:32,2.51,,United Kingdom
536544,DOT,DOTCOM POSTAGE,1,12/1/2010 14:32,569.77,,United Kingdom
536589,21777,,-10,12/1/2010 16:50,0,,United Kingdom
536590,71053,WHITE METAL LANTERN,-2,12/1/2010 17:00,3.39,17850,United Kingdom
536591,22467,GUMBALL COAT RACK,ten,12/1/2010 17:05,2.55,17850,United Kingdom
"""
RETAILROCKET = {
    "events.csv": """\
timestamp,visitorid,event,itemid,transactionid
1433221332117,257597,view,355908,
1433221332117,257597,view,355908,
1433221400000,257597,addtocart,355908,
1433221500000,257597,transaction,355908,4000
1433221600000,1,view,999999,
1433221700000,2,smelled,355908,
""",
    "item_properties_part1.csv": """\
timestamp,itemid,property,value
1435460400000,355908,categoryid,1338
1431226800000,355908,categoryid,209
1435460400000,355908,888,1116713 960601 n277.200
1431226800000,355908,available,1
""",
    "item_properties_part2.csv": """\
timestamp,itemid,property,value
1435460400000,355908,available,0
1435460400000,206783,categoryid,5555
""",
    "category_tree.csv": "categoryid,parentid\n1338,209\n209,7\n7,\n",
}
MOVIELENS = {
    "ml-latest-small/ratings.csv": """\
userId,movieId,rating,timestamp
1,1,4.0,964982703
1,3,0.5,964981247
2,1,six,964982703
""",
    "ml-latest-small/movies.csv": """\
movieId,title,genres
1,Toy Story (1995),Adventure|Animation|Children|Comedy|Fantasy
3,"American President, The (1995)",Comedy
4,Nameless,(no genres listed)
""",
    "ml-latest-small/tags.csv": "userId,movieId,tag,timestamp\n2,60756,funny,1445714994\n",
}
INSTACART = {
    "orders.csv": """\
order_id,user_id,eval_set,order_number,order_dow,order_hour_of_day,days_since_prior_order
2539329,1,prior,1,2,08,
2398795,1,prior,2,3,07,15.0
1187899,1,train,3,4,08,14.0
2774568,1,test,4,3,07,30.0
""",
    "order_products__prior.csv": """\
order_id,product_id,add_to_cart_order,reordered
2539329,196,1,0
2539329,14084,2,0
2398795,196,1,1
404404,196,1,1
""",
    "order_products__train.csv": "order_id,product_id,add_to_cart_order,reordered\n1187899,196,1,1\n",
    "products.csv": """\
product_id,product_name,aisle_id,department_id
196,Soda,77,7
14084,"Organic Unsweetened Vanilla Almond Milk, Large",91,16
""",
    "aisles.csv": "aisle_id,aisle\n77,soft drinks\n91,soy lactosefree\n",
    "departments.csv": "department_id,department\n7,beverages\n16,dairy eggs\n",
}
CUSTOMER = "000058a12d5b43e67d225668fa1f8d618c13dc232df0cad8ffe7ad4a1091e318"
ARTICLE_COLUMNS = (
    "article_id,product_code,prod_name,product_type_no,product_type_name,product_group_name,"
    "graphical_appearance_no,graphical_appearance_name,colour_group_code,colour_group_name,"
    "perceived_colour_value_id,perceived_colour_value_name,perceived_colour_master_id,perceived_colour_master_name,"
    "department_no,department_name,index_code,index_name,index_group_no,index_group_name,section_no,section_name,"
    "garment_group_no,garment_group_name,detail_desc"
)
ARTICLE = (
    "0108775015,0108775,Strap top,253,Vest top,Garment Upper body,1010016,Solid,09,Black,4,Dark,5,Black,1676,"
    'Jersey Basic,A,Ladieswear,1,Ladieswear,16,Womens Everyday Basics,1002,Jersey Basic,"Top, with narrow straps."'
)
H_AND_M = {
    "transactions_train.csv": f"""\
t_dat,customer_id,article_id,price,sales_channel_id
2018-09-20,{CUSTOMER},0108775015,0.0508305084745762,2
2018-09-20,{CUSTOMER},0108775015,0.0508305084745762,2
2018-09-21,{CUSTOMER},0108775015,0.0304915254237288,1
""",
    "articles.csv": f"{ARTICLE_COLUMNS}\n{ARTICLE}\n",
    "customers.csv": f"""\
customer_id,FN,Active,club_member_status,fashion_news_frequency,age,postal_code
{CUSTOMER},,,ACTIVE,NONE,49,52043ee2162cf5aa7ee79974281641c6f11a68d276429a91f8ca0d4b6efa8100
""",
}
DIGINETICA = {
    "dataset-train-diginetica/train-item-views.csv": """\
sessionId;userId;itemId;timeframe;eventdate
1;NA;81766;526309;2016-05-09
1;NA;31331;1031018;2016-05-09
1;NA;31331;1031018;2016-05-09
2;77;81766;0;not a day
""",
    "dataset-train-diginetica/train-purchases.csv": """\
sessionId;userId;timeframe;eventdate;ordernumber;itemId
150;18278;17100868;2016-05-06;16421;81766
""",
    "dataset-train-diginetica/train-queries.csv": """\
queryId;sessionId;userId;timeframe;duration;eventdate;searchstring.tokens;categoryId;items;is.test
1;1;NA;16327074;311;2016-05-09;16655,244087;0;7518,71,30311;FALSE
2;1;77;16330000;12;2016-05-09;NA;53;31331,81766;FALSE
""",
    "dataset-train-diginetica/train-clicks.csv": "queryId;timeframe;itemId\n1;16330000;30311\n1;16327200;71\n",
    "dataset-train-diginetica/products.csv": """\
itemId;pricelog2;product.name.tokens
81766;10;4875,776,56689
31331;4;NA
""",
    "dataset-train-diginetica/product-categories.csv": "itemId;categoryId\n81766;1096\n",
}
REVIEW = {
    "rating": 5.0,
    "title": "Such a lovely scent",
    "text": "This spray is really nice.\nNot overpowering.",
    "images": [],
    "asin": "B00YQ6X8EO",
    "parent_asin": "B00YQ6X8E0",
    "user_id": "AGKHLEW2SOWHNMFQIJGBECAF7INQ",
    "timestamp": 1588687728923,
    "helpful_vote": 2,
    "verified_purchase": True,
}
ITEM = {
    "main_category": "All Beauty",
    "title": "Herbivore Sea Mist",
    "average_rating": 4.3,
    "rating_number": 384,
    "features": [],
    "description": ["If given the choice"],
    "price": None,
    "images": [{"thumb": "https://example.org/a.jpg", "large": None, "variant": "MAIN"}],
    "videos": [],
    "store": "Herbivore Botanicals",
    "categories": [],
    "details": {"Item Form": "Spray"},
    "parent_asin": "B00YQ6X8E0",
    "bought_together": None,
}


def write_plain(folder: Path, files: dict[str, str]) -> None:
    """The files as they are."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def write_zip(path: Path, files: dict[str, str]) -> None:
    """The files in one archive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)


def write_amazon(folder: Path, variant: str = "All_Beauty") -> None:
    """Reviews and metadata of one category: a review twice, one with a rating of nought, and two items."""
    folder.mkdir(parents=True, exist_ok=True)
    other = REVIEW | {"rating": 0.0, "user_id": "AFSKPY37N3C43SOI5IEXEK5JSIYA", "title": ""}
    nameless = ITEM | {"parent_asin": "B07PNNCSP9", "title": "", "main_category": None, "store": None}
    nameless["categories"] = ["Beauty", "Hair Care", "Shampoo"]
    _lines(folder / f"{variant}.jsonl.gz", [REVIEW, REVIEW, other])
    _lines(folder / f"meta_{variant}.jsonl.gz", [ITEM, nameless])


def _lines(path: Path, objects: list[dict[str, object]]) -> None:
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(one) + "\n" for one in objects)
