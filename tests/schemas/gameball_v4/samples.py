"""A whole program, with everything in it that a program can have, as a file writes it."""

from __future__ import annotations

from typing import Any

from schemas.gameball_v4.exact_json import read
from schemas.gameball_v4.files import loaded
from schemas.gameball_v4.program import Sections, with_ids

ZONE = "Europe/Vilnius"

COUPON = """{
    "couponType": "Percentage", "discountValue": 12.50, "minOrderValue": 50.0, "product": "Any",
    "collections": ["Summer Collection", 7], "group": {"handle": "summer"},
    "options": {
        "expiryAfter": "2026-12-31", "usageLimit": 2, "usedCount": 0, "capping": 100, "minOrderValue": 50,
        "combinesWith": {"orderDiscounts": true, "productDiscounts": false}, "couponPrefix": "SUMMER",
        "collections": ["Featured"], "platforms": ["Web", "pos"], "productId": "ABC123", "weight": 0.30000000000000000001
    }
}"""
FREE_SHIPPING = """{
    "couponType": "Free Shipping",
    "options": {"expiryAfter": 14, "combinesWith": {"productDiscounts": true, "shippingDiscounts": true}}
}"""
TEXT = f"""{{
    "partner_id": 1,
    "settings": {{"currency": "EUR", "pointsName": "Beans", "tierMethod": "points_earned", "defaultLanguage": "lt"}},
    "tiers": [
        {{"id": 11, "name": "Basic", "minProgress": 0, "order": 1, "benefits": []}},
        {{"id": 12, "name": "Gold", "minProgress": 190.25, "order": 3, "icon": "level-a1",
          "translations": {{"lt": {{"name": "Auksas"}}}},
          "benefits": [
            {{"type": "Custom Benefits", "description": "Golden", "hyperLink": "https://example.com/b?x=1",
              "translations": {{"lt": {{"description": "Auksinis"}}}}}},
            {{"type": "Entry Reward", "walletReward": 3000, "rankReward": 5}},
            {{"type": "Lifetime Reward", "couponReward": {FREE_SHIPPING}}},
            {{"type": "Loyalty Points Earning Custom Configuration", "rewardWalletFactor": 3.0}}]}}
    ],
    "campaigns": [
        {{"id": 21, "name": "Join us", "type": "SignUp", "description": "Welcome", "icon": "https://example.com/i.webp",
          "redirectionButtonText": "Go", "redirectionButtonLink": "https://example.com/go",
          "rewards": [{{"walletReward": 100, "couponReward": {COUPON}}}, {{"rankReward": 2, "walletReward": 1}}],
          "translations": {{"lt": {{"name": "Prisijunk", "description": null}},
                           "pl": {{"description": "Witaj", "redirectionButtonText": "Dalej"}}}}}},
        {{"id": 22, "name": "Double", "type": "Reward Campaign", "isRepeatable": true, "rewards": [{{"walletRewardFactor": 2.5}}],
          "applicableTo": {{"collections": [7, {{"collectionId": 8, "collectionName": "Cheese"}}], "productSkus": ["c-1"]}},
          "availability": {{"minTier": 2, "tags": ["vip"]}},
          "activation": {{"startDate": "2026-10-01", "endDate": "2026-10-31T23:59:59"}}}},
        {{"id": 23, "name": "Reviews", "type": "EventBased", "isRepeatable": true, "maxAchievement": 3,
          "trigger": {{"eventName": "review", "count": 2,
                       "eventMetaData": [{{"name": "stars", "operator": "greater_than", "value": "3"}}]}},
          "rewards": [{{"walletReward": 100}}], "isActive": false, "visibility": "NotVisible"}},
        {{"id": 24, "name": "Wheel", "type": "Spin The Wheel", "trigger": {{"gameId": 5}}, "rewards": [{{"walletReward": 1}}]}},
        {{"id": 25, "name": "High", "type": "HighScore", "trigger": {{"minScore": 900}}, "rewards": [{{"walletReward": 1}}]}},
        {{"id": 26, "name": "Born", "type": "Birthday", "isRepeatable": true, "rewards": [{{"walletReward": 1}}]}},
        {{"id": 27, "name": "Share", "type": "SocialMedia", "trigger": {{"eventName": "share"}}, "rewards": [{{}}]}},
        {{"id": 28, "name": "Week", "type": "ScheduledChallenge", "trigger": {{"eventName": "place_order"}},
          "activation": {{"endDate": "2026-11-30"}}, "rewards": [{{"walletReward": 1}}]}}
    ],
    "referrals": {{
        "referralMethod": "CustomerAndFriend", "eventName": "place_order",
        "eventMetaData": {{"name": "number_of_products", "operator": "equals", "value": "3"}},
        "customerReward": {{"point": 200, "extraReward": {{"forEvery": 3, "point": 500, "score": 7, "coupon": {FREE_SHIPPING}}}}},
        "friendReward": {{"score": 1, "coupon": {COUPON}}}, "translations": {{"lt": {{"name": "Draugai", "description": "Du"}}}}
    }},
    "cashback": {{
        "defaultCashbackRule": {{"amountRewardThreshold": 50, "rewardWalletFactor": 10, "rewardRankFactor": 1}},
        "tierCashbackRules": [{{"tierName": "Basic", "amountRewardThreshold": 0.1, "rewardWalletFactor": 1, "rewardRankFactor": 0.5}}]
    }},
    "redemption": {{
        "isRedemptionActive": false, "pointsExpiryPeriod": 30, "defaultRule": {{"id": 30, "valueOfPoint": 0.2, "isActive": false}},
        "rules": [
            {{"id": 31, "ruleType": "general_setting", "coupon": {{"minOrderValue": 5}}, "valueOfPoint": 0.013}},
            {{"id": 32, "pointsToRedeem": 100, "ruleType": "fixed_rate_settings", "startDate": "2026-01-01", "endDate": "2026-12-31",
              "coupon": {{"discountValue": 10, "applicableTo": {{"collections": [{{"collectionId": 7, "collectionName": "A"}}], "productIds": [1, "b"]}}}},
              "availableTo": {{"level": {{"levelId": 12, "levelName": "Gold"}}, "tags": ["VIP"]}}, "howToRedeem": "At the till"}},
            {{"id": 33, "pointsToRedeem": 100, "ruleType": "free_product_settings",
              "coupon": {{"couponType": "free_product", "product": {{"productId": "6932183449758", "productName": "Bracelet", "variantId": 40691241877662,
                                      "variantName": "Blue", "productDisplayNames": ["Bracelet - Blue"]}},
                          "group": {{"handle": "Free_Sundae"}}}}}},
            {{"id": 34, "pointsToRedeem": 5, "ruleType": "custom", "isActive": false,
              "coupon": {{"group": {{"handle": "summer"}}, "options": {{"expiryAfter": "2026-12-31T10:00:00+02:00"}}}}}}
        ]
    }},
    "couponGroups": [
        {{"handle": "summer", "title": "Summer", "url": "https://example.com", "iconPath": "/i.png", "maxPerPlayer": 2,
          "maxTotal": 1000, "description": "All", "isActive": false, "startDate": "2026-06-01", "expiryDate": "2026-08-31"}}
    ],
    "coupon": {{
        "url": "https://shop.example:8443/coupons?v=1", "method": "POST", "contentType": "application/json",
        "authentication": {{"type": "Basic", "username": "admin", "password": "pass", "token": "t", "values": [{{"key": "X-Id", "value": "7"}}]}},
        "queryParams": [{{"type": "string", "key": "customerId", "value": "{{{{playerUniqueId}}}}"}}, {{"key": "apiKey", "value": "k"}}],
        "headers": [{{"Type": "header", "Key": "X-Client-Version", "Value": "1.0"}}, {{"key": "X-Token", "value": "t"}}],
        "payload": {{"id": "{{{{playerUniqueId}}}}", "more": [1.50, {{"code": "{{{{code}}}}"}}]}},
        "couponMapping": {{"fixed": "amount", "rules": "r"}}, "enableFixedRate": true, "enablePercentage": true,
        "platforms": [{{"displayName": "Shopify", "value": "shopify"}}, "pos"], "isActive": false, "timeoutSeconds": 5,
        "maxInFlight": 2, "maxPerSecond": 9, "cancelUrl": "https://shop.example/cancelled"
    }}
}}"""


def document() -> dict[str, Any]:
    """The program of the file."""
    found: dict[str, Any] = read(TEXT)
    return found


def sections() -> Sections:
    """It is loaded by a partner who has nothing."""
    return with_ids(loaded(Sections(time_zone=ZONE), document()).sections, iter(()))
