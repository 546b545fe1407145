check "greets by name" "Hello, Ann" "$(sh greet.sh Ann)"
check "greets the world when nobody is named" "Hello, world" "$(sh greet.sh)"
check "keeps spaces in a name" "Hello, Ann  Lee" "$(sh greet.sh 'Ann  Lee')"
check "greets two in their order" "Hello, Ann and Bob" "$(sh greet.sh Ann Bob)"
