// The passwords that guessing begins with: those of leaked lists, of keyboards and of products as they are delivered,
// as far as they are long enough to be allowed at all (NIST SP 800-63B, 5.1.1.2).

const COMMON = new Set(
  `
!qaz2wsx !qaz@wsx 00000000 000000000 0000000000 0123456789 0987654321 0okm9ijn 10101010 101010101 11111111
111111111 1111111111 11223344 1122334455 112233445566 12121212 121212121 123123123 123321123 12341234
12344321 1234512345 123454321 1234554321 123456123456 123456654321 12345678 123456789 1234567890 12345678910
123456aa 123456ab 123456abc 123456qwerty 12345abc 1234abcd 1234asdf 1234qwer 123654789 123abc456 123qwe123
123qweasd 123qweasdzxc 12qwaszx 13131313 147258369 147852369 159753456 19871987 19901990 1a2b3c4d 1q2w3e4r
1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx 1qaz2wsx3edc 1qazxsw2 20002000 20202020 22222222 23232323 2wsx3edc 31415926
314159265 3141592653 321654987 33333333 44444444 456789123 55555555 66666666 741852963 77777777 789456123
87654321 88888888 888888888 963852741 987654321 9876543210 99999999 999999999 9ol8ik7u a1234567 a12345678
a123456789 a1b2c3d4 a1b2c3d4e5 a1s2d3f4 aa123456 aa12345678 aaaaaaaa aaaaaaaaaa abababab abc12345 abc123456
abc123abc abcd1234 abcdef123 abcdefg1 abcdefgh abcdefghi abcdefghij admin123 admin123! admin1234 admin12345
admin123456 admin1admin admin2024 admin2025 admin2026 admin@123 adminadmin administrator administrator1
adminpass adminpassword alexander alexandra andrew123 android1 angel123 angels123 ansible1 anthony1
anything1 arsenal1 arsenal123 asasasas asd123456 asdasdasd asdf1234 asdfasdf asdfghjk asdfghjkl asdfqwer
autumn2024 autumn2025 autumn2026 azerty123 azertyuiop babygirl babygirl1 barcelona barcelona1 baseball
baseball1 baseball123 basketball basketball1 batman123 beautiful beautiful1 benjamin blackjack blink182
blueberry brandon1 buster12 butterfly butterfly1 catherine change123 changeit changeme changeme! changeme1
changeme123 changeonlogin changethis charlie1 charlie123 chelsea1 chelsea123 children chocolate chocolate1
christian christine christopher cinnamon cloud123 cloudadmin computer computer1 computer123 cookie12
cookie123 corvette daniel123 danielle database database1 deadpool debian123 default1 default123
defaultpassword diamond1 docker123 dockerdocker dortmund dragon12 dragon123 dragonball dragonballz elastic1
elizabeth elizabeth1 everything facebook facebook1 facebook123 family123 ferrari1 flower12 flower123
football football1 football123 forever1 foreverlove fortnite fortnite1 francesca freedom1 freedom123
friends1 friendship gabriella gandalf1 garfield ginger12 goodluck goodmorning google123 grafana1 guest123
guestguest happy123 happyday harley12 harrypotter hello123 hello123! hello1234 hello12345 hellohello
helloworld hockey123 hunter12 hunter123 ilovegod ilovejesus iloveu123 iloveyou iloveyou1 iloveyou123
iloveyou2 internet internet1 internet123 iphone123 ironman1 isabella jenkins1 jennifer jennifer1 jessica1
jessica123 jonathan jordan123 jordan23 joshua123 juventus juventus1 kubernetes lacrosse letmein! letmein1
letmein123 letmeinnow lightning linkedin linkedin1 linux123 liverpool liverpool1 liverpool123 lkjhgfdsa
lordoftherings lovelove lovely12 loveme123 loveyou1 lucky123 manchester manutd123 master12 master123
mastermaster matrix123 matthew1 mercedes metallica metallica1 michael1 michael123 michelle michelle1
microsoft microsoft1 midnight midnight1 minecraft minecraft1 minio123 minioadmin minioroot miniostorage
mnbvcxz1 monkey12 monkey123 monkey1234 mustang1 mustang123 mypassword mypassword1 mysecret mysql123
newpass123 newpassword newpassword1 nicholas nicole123 nintendo nirvana1 nopassword nothing1 oldpassword
oracle123 p4ssword p@ssw0rd p@ssw0rd1 p@ssw0rd123 p@ssword pa$$word pa55word pass1234 pass12345 pass@123
pass@word1 passpass passw0rd passw0rd1 passw0rd123 password password! password0 password01 password1
password1! password12 password123 password123! password1234 password12345 password2 password2020
password2021 password2022 password2023 password2024 password2025 password2026 password3 password99 passwords
passwort patricia pepper12 phoenix1 pineapple playstation poiuytrewq pokemon1 pokemon123 porsche1 postgres
postgres1 postgres123 princess princess1 princess123 q1w2e3r4 q1w2e3r4t5 q1w2e3r4t5y6 qazwsx123 qazwsxedc
qwe123qwe qweasd123 qweasdzxc qwer1234 qwert123 qwert12345 qwerty!1 qwerty01 qwerty12 qwerty123 qwerty123!
qwerty1234 qwerty12345 qwerty123456 qwertyqwerty qwertyui qwertyuiop qwertyuiop123 qwertz123 qwertzui
qwertzuiop rabbitmq rainbow1 raspberry raspberrypi realmadrid rebecca1 redis123 richard1 robert123 root1234
root12345 rootpassword rootroot samantha samantha1 samsung1 samsung123 secret12 secret123 secret1234
secretsecret server123 serverserver shadow12 shadow123 skerry123 skerrycloud skerryskerry slipknot smile123
snowball soccer12 soccer123 softball something spiderman spiderman1 spring2024 spring2025 spring2026
startrek starwars starwars1 stephanie storage1 storage123 strawberry summer12 summer123 summer2024
summer2025 summer2026 sunshine sunshine1 sunshine123 superadmin superman superman1 superman123 supersecret
superstar superstar1 superuser sweetheart swimming sysadmin temp1234 temporary temppass temppassword
test1234 test12345 test123456 testing1 testing123 testpass testpassword testtest thepassword thomas123
thunder1 tigger12 tomcat123 toor1234 topsecret trustno1 trustnoone ubuntu123 user1234 username username1
useruser vagrant1 vagrant123 vanessa1 veronica victoria victoria1 volleyball welcome1 welcome1! welcome12
welcome123 welcome123! welcome2024 welcome2025 welcome2026 welcometo whatever whatever1 william1 windows1
windows10 windows11 winter12 winter123 winter2024 winter2025 winter2026 wolverine xbox3600 xxxxxxxx yamaha12
yourpassword zaq12wsx zaq12wsxcde3 zaq1@wsx zaq1zaq1 zxcvbnm, zxcvbnm1 zxcvbnm123 zxcvzxcv zzzzzzzz
`
    .trim()
    .split(/\s+/),
);

/** Whether guessing would begin with `password`, in whatever case. */
export function isCommonPassword(password: string): boolean {
  return COMMON.has(password.toLowerCase());
}
